"""Benchmarks of stored features: what a lookup costs, and what callers notice when Redis is in trouble."""
