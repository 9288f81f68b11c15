"""Chooses who answers a call: the champion, an arm of an experiment, or what the caller pins."""
