"""Backends that Triton's python backend runs, one folder each, as Triton wants them."""
