"""Brings what is served in line with the registry."""
