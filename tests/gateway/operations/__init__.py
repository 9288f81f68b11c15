"""What the operations page is made of."""
