"""Tests of the layout of stored features."""
