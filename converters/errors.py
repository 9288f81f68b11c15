"""The ways in which a conversion is refused."""


class ConversionError(Exception):
    """The model cannot be served as it is; the message says what to change."""
