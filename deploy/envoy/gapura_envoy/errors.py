"""What can go wrong with the edge."""


class EdgeError(Exception):
    """An operator must change something; the message says what."""
