"""Arithmetic over rounds: contestants alternate, so each round gives a ratio; their spread says how far to trust it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

MILLISECONDS = 1000.0

NOISY = 0.15
"""A contestant that mostly differs from itself by more than this in the next round was measured on a busy machine."""

BUSY = 0.1
"""Cores that processes of others may use while a suite runs."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One contestant's figure over another's.

    Attributes:
        median: Over the rounds.
        low: Least of any round.
        high: Most of any round.
    """

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio_of(figures: Sequence[float], to: Sequence[float]) -> Ratio:
    """Divides the figures of each round by those of the same round."""
    each = [figure / other for figure, other in zip(figures, to, strict=True)]
    return Ratio(median(each), min(each), max(each))


def difference_of(figures: Sequence[float], to: Sequence[float]) -> Ratio:
    """Subtracts from the figures of each round those of the same round."""
    each = [figure - other for figure, other in zip(figures, to, strict=True)]
    return Ratio(median(each), min(each), max(each))


def own_spread(figures: Sequence[float]) -> float:
    """Returns by what share a contestant differed from itself in the next round, in the median: 0.1 is a tenth."""
    return median([max(pair) / min(pair) - 1 for pair in pairwise(figures)] or [0.0])


def percentile_ms(seconds: Sequence[float] | NDArray[np.float64], share: float) -> float:
    """Returns what this share of some durations stayed below, in milliseconds; NaN when there are none."""
    return float(np.percentile(seconds, 100 * share)) * MILLISECONDS if len(seconds) else float("nan")


def order_of_round(names: Sequence[str], number: int) -> list[str]:
    """Returns the contestants in the order of a round: each goes first as often as the others, and after each other."""
    first = number % len(names)
    turned = [*names[first:], *names[:first]]
    return turned if number // len(names) % 2 == 0 else turned[::-1]
