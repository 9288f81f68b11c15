"""Rows in real Redis servers of every kind."""
