"""Programs that peers run: each imports what its own environment has, and nothing of this repository."""
