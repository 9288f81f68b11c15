"""Tests of the client: the library, the call command, and the distribution."""
