"""The supervisor: real processes, small ones."""
