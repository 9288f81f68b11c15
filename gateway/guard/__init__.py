"""Guardrails: what arms of experiments do is compared with the champion, and an arm at fault loses its share."""
