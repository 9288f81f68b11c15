"""Parts die, hang and lie while callers call."""
