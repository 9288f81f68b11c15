"""Promotions and rollbacks in a row, before callers who check every answer."""
