"""Rows and probabilities as bare float32, where a peer leaves the body of a call to its user."""

import numpy as np

from benchmarks.gbm import Rows

HEADERS = (("content-type", "application/octet-stream"),)


def compose_body(rows: Rows) -> bytes:
    """Returns the body of a call."""
    return rows.tobytes()


def probability_of(answer: bytes) -> float:
    """Returns the probability of class 1 of the one row that an answer is about.

    Raises:
        ValueError: The answer is about more or less.
    """
    _, probability = np.frombuffer(answer, np.float32)
    return float(probability)
