"""The nodes that serve, as the publisher sees them."""
