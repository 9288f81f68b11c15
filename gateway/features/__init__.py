"""Stored features: read from Redis in as few round trips as can be, and answered for even when it is gone."""
