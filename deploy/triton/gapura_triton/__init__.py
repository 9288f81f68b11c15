"""Runs a real `tritonserver` from the Python package index on a plain CPU machine, and keeps it running."""
