"""Tests of the hub's half of stored features."""
