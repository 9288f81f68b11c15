"""This worker's portion of one quota that all workers share: a bucket, and what to report of it."""

from math import exp
from random import random

from gateway.tenancy.quotas.bucket import Bucket

# How long what was demanded counts, in seconds: 63 % of a change is seen after this time.
MEMORY_SECONDS = 0.3

# A quota of which so much is left has not been asked for much lately.
NEARLY_FULL = 0.9


class Portion:
    """A share of a quota.

    Args:
        rate: Of the whole quota, each second.
        capacity: Of the whole quota.
        share: This worker's part of both, above 0, at most 1.

    Attributes:
        bucket: What this worker may admit.
        demand: What is asked of this worker each second, whether admitted or not.
    """

    __slots__ = ("_acknowledged", "_capacity", "_counted", "_rate", "_sent", "_share", "bucket", "demand")

    def __init__(self, rate: float, capacity: float, share: float) -> None:
        self._rate, self._capacity, self._share = rate, capacity, share
        self.bucket = Bucket(rate * share, max(1.0, capacity * share))
        self.demand = 0.0
        self._counted = 0.0
        self._sent = 0.0
        self._acknowledged = 0.0

    def limit(self, rate: float, capacity: float) -> None:
        """Changes the quota; tokens stay in proportion."""
        self._rate, self._capacity = rate, capacity
        self.divide(self._share)

    def divide(self, share: float) -> None:
        """Changes the share; tokens stay in proportion."""
        self._share = share
        self.bucket.resize(self._rate * share, max(1.0, self._capacity * share))

    def measure(self, seconds: float) -> bool:
        """Learns what was demanded in the latest seconds; says whether anything was."""
        demanded = self.bucket.taken + self.bucket.refused
        asked, self._counted = demanded - self._counted, demanded
        if seconds > 0:
            self.demand += (1 - exp(-seconds / MEMORY_SECONDS)) * (asked / seconds - self.demand)
        return asked > 0

    def report(self, now: float) -> tuple[float, ...]:
        """Returns rate, capacity, all that was ever taken, what of it no answer has acknowledged, tokens, demand."""
        self._sent = taken = self.bucket.taken
        unacknowledged = taken - self._acknowledged
        return self._rate, self._capacity, taken, unacknowledged, self.bucket.level(now), self.demand

    def adopt(self, tokens: float, share: float, now: float) -> None:
        """Takes the answer to the latest report.

        Args:
            tokens: Of the whole quota.
            share: This worker's part of them.
            now: When the answer came.
        """
        bucket = self.bucket
        self._acknowledged = self._sent
        self.divide(share)
        bucket.refill(self._part_of(tokens) - (bucket.taken - self._sent), now)

    def _part_of(self, tokens: float) -> float:
        """Returns this worker's part of the tokens, so that it is of use: calls and batches cannot be divided.

        Where the part is too small for the least that can be admitted, chance decides who gets as much, with the odds
        that make the parts of all workers the whole on average. Where nearly all is left, everybody gets it: nobody is
        refused by a quota that is hardly used. What is admitted too much is debt, and paid back.
        """
        part = tokens * self._share
        least = min(self.bucket.unfit or 1.0, self._capacity)
        if part >= least or tokens < least or self._share >= 1:
            return part
        if tokens >= NEARLY_FULL * self._capacity and least <= max(1.0, self._capacity / 2):
            return least
        return least if random() < part / least else 0.0  # noqa: S311 - no secret
