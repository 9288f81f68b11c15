"""Experiments: buckets, tags, what goes live of them, and verdicts."""
