"""What can go wrong with supervision."""


class SupervisionError(Exception):
    """An operator must change something; the message says what."""
