"""Calls of two arms as they come, moment by moment, without a gateway."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.experiments import Guardrails
from gateway.guard.judgement import Breach, judge
from gateway.guard.watchman import MOMENT_SECONDS, MOMENTS_A_JUDGEMENT
from gateway.guard.window import Count, Window
from gateway.telemetry.families import FINE_SECONDS, SCORES_APART

LIMITS = Guardrails(error_rate=0.01, latency_ratio=1.5, score_shift=0.1, window_seconds=30, least_calls=50)
MOMENTS = round(1 / MOMENT_SECONDS)
TYPICAL_SECONDS = 0.002

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How an arm behaves.

    Attributes:
        rate: Calls a second.
        errors: Share of them that fail.
        slower: How many times as long as usual they take.
        shift: What is added to their scores.
        stalls: Times a second that the arm stands still for a moment, a twelfth of a second in the mean.
        failing_batches: Times a second that all calls of a twentieth of a second fail.
        rows: Most rows of a call, which have all the same score.
    """

    rate: float
    errors: float = 0.0
    slower: float = 1.0
    shift: float = 0.0
    stalls: float = 0.0
    failing_batches: float = 0.0
    rows: int = 1


def second(random: np.random.Generator, how: Behaviour, common: float) -> Iterator[Count]:
    """Yields what an arm does in each moment of a second.

    Args:
        random: Chance.
        how: How it behaves.
        common: How many times as long as usual calls of all arms take.
    """
    count = random.poisson(how.rate)
    came = random.random(count)
    seconds = TYPICAL_SECONDS * how.slower * common * np.exp(random.normal(0, 0.5, count))
    for _ in range(random.poisson(how.stalls)):
        began, lasts = random.random(), random.exponential(1 / 12)
        seconds += np.where((came > began) & (came < began + lasts), began + lasts - came, 0)
    failed = random.random(count) < how.errors
    for _ in range(random.poisson(how.failing_batches)):
        failed |= np.abs(came - random.random()) < 0.025
    scores = np.minimum(random.beta(1, 4, count) + how.shift, 1)
    rows = random.integers(1, how.rows, count, endpoint=True)
    for moment in range(MOMENTS):
        now = (came * MOMENTS).astype(int) == moment
        answered = now & ~failed
        yield Count(
            histogram(seconds[answered], FINE_SECONDS),
            np.asarray(float((now & failed).sum())),
            histogram(np.repeat(scores[answered], rows[answered]), SCORES_APART),
        )


def histogram(values: Values, bounds: tuple[float, ...]) -> Values:
    """Counts values as the gateway's histograms do."""
    return np.bincount(np.searchsorted(bounds, values), minlength=len(bounds) + 1).astype(float)


def plus(one: Count, other: Count) -> Count:
    """Adds what was done."""
    return Count(one.durations + other.durations, one.failed + other.failed, one.scores + other.scores)


NOTHING = Count(histogram(np.zeros(0), FINE_SECONDS), np.asarray(0.0), histogram(np.zeros(0), SCORES_APART))


class Trial:
    """An arm beside a champion.

    Args:
        seed: Of chance.
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._window = Window(LIMITS.window_seconds)
        self._done = NOTHING, NOTHING
        self._looks = 0
        self._window.take(0.0, *self._done)

    def run(self, seconds: int, arm: Behaviour, champion: Behaviour) -> tuple[float, Breach] | None:
        """Lets both answer calls; returns after how many seconds a guardrail was breached, and which, or None."""
        for number in range(seconds):
            common = 1 + 2 * abs(np.sin(self._looks / 30))  # load comes in waves
            both = zip(second(self._random, arm, common), second(self._random, champion, common), strict=True)
            for moment, (mine, theirs) in enumerate(both, 1):
                self._done = plus(self._done[0], mine), plus(self._done[1], theirs)
                self._looks += 1
                self._window.take(self._looks * MOMENT_SECONDS, *self._done)
                breach = judge(self._window, LIMITS) if self._looks % MOMENTS_A_JUDGEMENT == 0 else None
                if breach is not None:
                    return number + moment * MOMENT_SECONDS, breach
        return None
