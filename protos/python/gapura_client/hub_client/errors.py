"""What callers can do wrong before a call is made; each error says what to change."""


class InvalidFeatures(ValueError):
    """The features do not fit the model. Change them as the message says."""


class NoSuchAnswer(ValueError):
    """The model does not answer what was asked for, as a regressor has no probabilities. Ask for something else."""


class InvalidRecord(ValueError):
    """A prediction or an outcome cannot be written down. Change it as the message says."""


class SpoolError(OSError):
    """A prediction or an outcome was not written down: the folder is full, or cannot be written to."""
