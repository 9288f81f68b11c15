"""Typed calls, raw KServe calls and REST, of the same model."""
