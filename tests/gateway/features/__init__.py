"""Tests of the reader of stored features."""
