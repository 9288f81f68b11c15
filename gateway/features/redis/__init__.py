"""Rows of features in Redis: read in one round trip, and their changes told by Redis itself."""
