"""The operations page as people and browsers see it."""
