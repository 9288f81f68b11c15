"""The same model behind what a user would pick instead of Gapura."""
