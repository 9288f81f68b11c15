"""`gapura up`: from nothing to real credit decisions, step by step."""
