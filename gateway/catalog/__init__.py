"""The catalog: where it is found, whether it is whole and newer, and what it says is live."""
