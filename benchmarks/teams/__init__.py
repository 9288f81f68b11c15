"""Trains every team's model, publishes it to a real Triton, and verifies its typed method: `gapura bench teams`."""
