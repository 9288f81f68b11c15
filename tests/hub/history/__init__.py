"""Tests of the history: what changed, and what was live when."""
