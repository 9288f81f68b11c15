"""Compiles annotated methods for the models of a catalog: from descriptors to plain functions, once."""
