"""Keeps the parts of a deployment running on one machine: starts, watches, restarts, replaces and stops processes."""
