"""Tests of what is noted of calls, and of what is made of it."""
