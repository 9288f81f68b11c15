"""The Triton backend: its parts alone, and against nodes that misbehave on command."""
