"""Follows the registry: by looking, and by being told."""
