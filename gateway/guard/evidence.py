"""How sure it is that two groups of calls differ: plain statistics, for judging them twice a second.

What is compared are counts of calls that had something, such as an error, among all calls of an arm and of the
champion. Two things make such counts look surer than they are, and are allowed for:

- Whoever looks all the time sees a chance in a million come true. Evidence is told in nats: if both groups are alike,
  so much or more comes with a probability of about exp(-evidence), or less, at one look.
- Calls fail, or are slow, together: a batch fails whole, a machine stands still for a moment. Counts are divided by how
  much more they vary from moment to moment than those of calls on their own would.
"""

from dataclasses import dataclass
from math import log, log1p, sqrt

import numpy as np
from numpy.typing import NDArray

# How far apart hits have to be, at three times at least: what happens once or twice may be an accident.
APART_MOMENTS, LEAST_TIMES = 4, 3

# Moments' worth of calls that are on their own, which dispersion is taken to have seen before: few moments say little.
PRIOR_MOMENTS = 10

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """Calls of one arm.

    Attributes:
        hits: Those that had it, by moment.
        calls: All of them, by moment.
    """

    hits: Counts
    calls: Counts

    @property
    def rate(self) -> float:
        """Share of calls that had it."""
        return float(self.hits.sum() / max(self.calls.sum(), 1.0))

    def dispersion(self) -> float:
        """Returns how many times as much hits vary from moment to moment as if calls were on their own; 1 at least.

        Pearson's chi-squared over its degrees of freedom: McCullagh and Nelder, Generalized Linear Models, 4.5.
        """
        rate = self.rate
        seen = self.calls > 0
        if not 0 < rate < 1:
            return 1.0
        expected = self.calls[seen] * rate
        squares = float((np.square(self.hits[seen] - expected) / (expected * (1 - rate))).sum())
        return max((squares + PRIOR_MOMENTS) / (PRIOR_MOMENTS + max(int(seen.sum()) - 1, 0)), 1.0)


def excess(arm: Group, champion: Group) -> float:
    """Returns the evidence that the arm has a higher rate than the champion; 0 if it has not, or not often enough.

    The logarithm of the likelihood ratio of two binomials, of which exp(-x) is the Chernoff bound of Fisher's exact
    test, so that it holds for counts that are as small as three against none; up to a factor that is mostly near 1,
    and below the square root of all calls where nearly all of one and none of the other had it.
    """
    if arm.rate <= champion.rate or times(arm.hits) < LEAST_TIMES:
        return 0.0
    spread, other = arm.dispersion(), champion.dispersion()
    hits, calls = float(arm.hits.sum()) / spread, float(arm.calls.sum()) / spread
    hits_there, calls_there = float(champion.hits.sum()) / other, float(champion.calls.sum()) / other
    apart = likelihood(hits, calls) + likelihood(hits_there, calls_there)
    return apart - likelihood(hits + hits_there, calls + calls_there)


def surplus(arm: Group, rate: float) -> float:
    """Returns the evidence that the arm has a higher rate than this one, by the same measure; 0 if it has not."""
    if arm.rate <= rate:
        return 0.0
    spread = arm.dispersion()
    hits, calls = float(arm.hits.sum()) / spread, float(arm.calls.sum()) / spread
    misses = calls - hits
    return likelihood(hits, calls) - hits * log(rate) - (misses * log1p(-rate) if misses else 0.0)


def times(hits: Counts) -> int:
    """Returns how many times there were hits, of those that are apart from each other."""
    count, free = 0, 0
    for moment in np.flatnonzero(hits):
        if moment >= free:
            count, free = count + 1, int(moment) + APART_MOMENTS
    return count


def likelihood(hits: float, calls: float) -> float:
    """Returns the greatest logarithm of the likelihood of so many hits."""
    return sum(count * log(count / calls) for count in (hits, calls - hits) if count > 0)


def distance(arm: Counts, champion: Counts) -> float:
    """Returns the Kolmogorov-Smirnov distance of two histograms with the same bins: what bins hide makes it smaller."""
    apart = np.cumsum(arm) / max(arm.sum(), 1.0) - np.cumsum(champion) / max(champion.sum(), 1.0)
    return float(np.abs(apart).max())


def drift(apart: float, joint_size: float) -> float:
    """Returns the evidence of a Kolmogorov-Smirnov distance.

    The first term of the distribution's tail, 2·exp(-2·d²·n·m/(n+m)), which is an upper bound of it.

    Args:
        apart: The distance.
        joint_size: n·m/(n+m), of samples of n and m.
    """
    return max(2 * apart**2 * joint_size - log(2), 0.0)


def chance_distance(joint_size: float) -> float:
    """Returns about the distance that one in four pairs of samples exceeds though nothing is between them."""
    return 1 / sqrt(joint_size)


def sample_size(rows: Counts, calls: Counts) -> float:
    """Returns how many rows on their own say as much as these: those of one call may all be alike.

    Kish's effective sample size, of moments that weigh as many rows as they have.
    """
    seen = rows > 0
    if not seen.any():
        return 0.0
    each = np.minimum(calls[seen], rows[seen])
    return float(np.square(rows.sum()) / (np.square(rows[seen]) / np.maximum(each, 1.0)).sum())
