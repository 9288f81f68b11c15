"""Conversions that go wrong; the server that they run in imports no more than this."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from converters import Conversion, ConversionError


def ends(status: int) -> Conversion:
    os._exit(status)


def is_killed() -> Conversion:
    os.abort()


def hangs(told: str) -> Conversion:
    """Writes down which process it is, and cannot be told to end."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if told:
        Path(told).write_text(str(os.getpid()))
    time.sleep(3600)
    raise AssertionError


def eats() -> Conversion:
    """Takes all the memory that it gets."""
    kept = []
    while True:
        kept.append(np.ones(2**24))


def refuses() -> Conversion:
    raise ConversionError("the model has no signature")


def fails() -> Conversion:
    raise KeyError("unforeseen")
