"""A tenant's account in this process: admits its calls and rows, and reports what was admitted and asked for."""

import sys
from collections.abc import Mapping
from math import exp, inf
from struct import Struct
from typing import Any

from gateway.tenancy.quotas.bucket import Bucket
from gateway.tenancy.quotas.limits import Limits
from gateway.tenancy.quotas.portion import MEMORY_SECONDS, Portion
from gateway.tenancy.quotas.refusals import Refusals
from gateway.tenancy.quotas.roster import Roster

# As `reconciliation.lua` reads it: seconds since the last answer, seconds it covers, whether Redis was lost meanwhile;
# six numbers each of the calls and of the rows; limit, wish and present number of calls under way. 0 is no limit.
REPORT = Struct("<18d")
NO_PORTION = (0.0,) * 6

# As `reconciliation.lua` writes it: tokens and share of calls, tokens and share of rows, calls allowed under way.
ANSWER = Struct("<5d")

UNLIMITED = sys.maxsize
QUIET_SECONDS = 1.0

# Calls of others under way last longer than their demand of tokens does: what was told of them holds for some time.
TOLD_SECONDS = 10.0
CONCURRENCY_RETRY_SECONDS = 0.09

NO_LIMITS = Limits()


class Account:
    """A tenant's account; it lives as long as the process, whatever becomes of the limits.

    Args:
        name: The tenant's name.
        roster: What the accounts of this process have in common.

    Attributes:
        name: The tenant's name.
        active: Calls under way.
        allowance: How many may be.
        bucket: Of the calls over time, if those are limited.
        busy: Whether there is something to report.
        limited: Whether anything is limited.
        refused: Calls and batches of rows that were refused.
    """

    # In this order they lie in memory: what every call needs is together, at the end.
    __slots__ = (
        "_adrift",
        "_asked_at",
        "_calls",
        "_limits",
        "_measured_at",
        "_refused_active",
        "_roster",
        "_rows",
        "_sent_at",
        "_since",
        "_told_at",
        "_too_fast",
        "_too_many",
        "_too_wide",
        "_wish",
        "active",
        "allowance",
        "bucket",
        "busy",
        "limited",
        "name",
        "refused",
    )

    def __init__(self, name: str, roster: Roster) -> None:
        self.name = name
        self.active = 0
        self.refused = 0
        self._roster = roster
        self._limits = NO_LIMITS
        self.limited = False
        self._calls: Portion | None = None
        self._rows: Portion | None = None
        self.bucket: Bucket | None = None
        self.allowance = UNLIMITED
        self.busy = self._adrift = False
        self._refused_active = 0
        self._wish = 0.0
        self._told_at = -inf
        self._since = self._asked_at = self._measured_at = self._sent_at = 0.0

    def describe(self, now: float) -> Mapping[str, Any]:
        """Says what it admits and what is left of it here, ready for JSON; None is no limit."""
        limits = self._limits
        return {
            "in_flight": self.active,
            "refused": self.refused,
            "concurrency": limits.concurrency,
            "calls": describe_portion(limits.calls_per_second, self._calls, now),
            "rows": describe_portion(limits.rows_per_second, self._rows, now),
        }

    def limit(self, limits: Limits) -> None:
        """Replaces the limits, at once; tokens stay in proportion."""
        if limits == self._limits:
            return
        if limits.concurrency != self._limits.concurrency:
            self.allowance = allowance(limits.concurrency, self._roster.share)
        self._limits = limits
        self.limited = limits != NO_LIMITS
        if self.busy:
            self._open()

    def enter(self, now: float) -> None:
        """Admits a call.

        Args:
            now: Seconds of a monotonic clock.

        Raises:
            Overloaded: Too many calls are under way, or too many came lately.
        """
        if self.limited:
            if not self.busy:
                self._wake(now)
            if self.active >= self.allowance:
                self._refused_active += 1
                self.refused += 1
                raise self._too_many.after(CONCURRENCY_RETRY_SECONDS)
            if self.bucket is not None:
                wait = self.bucket.take(1.0, now)
                if wait:
                    self.refused += 1
                    raise self._too_fast.after(wait)
        self.active += 1

    def leave(self) -> None:
        """Ends a call that was admitted."""
        self.active -= 1

    def take_rows(self, rows: int, now: float) -> None:
        """Admits the rows of a call; a batch larger than the burst is admitted while all of the burst is there.

        Args:
            rows: How many.
            now: Seconds of a monotonic clock.

        Raises:
            Overloaded: Too many rows came lately.
        """
        if self.limited:
            if not self.busy:
                self._wake(now)
            if self._rows is not None:
                wait = self._rows.bucket.take(rows, now)
                if wait:
                    self.refused += 1
                    raise self._too_wide.after(wait)

    def report(self, now: float) -> bytes:
        """Returns what to tell of the account. Calling it again before there is an answer does no harm."""
        calls, rows = self._calls, self._rows
        self._measure(now)
        self._sent_at = now
        return REPORT.pack(
            now - self._told_at,
            now - self._since,
            self._adrift,
            *(calls.report(now) if calls is not None else NO_PORTION),
            *(rows.report(now) if rows is not None else NO_PORTION),
            self._limits.concurrency or 0,
            self._wish,
            self.active,
        )

    def adopt(self, answer: tuple[float, ...], now: float) -> None:
        """Takes what Redis answered to the latest report, as `ANSWER` has it."""
        calls_tokens, calls_share, rows_tokens, rows_share, under_way = answer
        if self._calls is not None and calls_share:
            self._calls.adopt(calls_tokens, calls_share, now)
        if self._rows is not None and rows_share:
            self._rows.adopt(rows_tokens, rows_share, now)
        if self._limits.concurrency is not None and under_way:
            self.allowance = int(under_way)
        self._told_at = self._since = self._sent_at
        self._adrift = False
        if self._asked_at < now - QUIET_SECONDS and not self.active:
            self.busy = False
            self._roster.busy.discard(self)

    def lose_touch(self, now: float, after_seconds: float) -> None:
        """Notes that Redis cannot be reached, if that has been so for long: what is admitted meanwhile is not owed."""
        self._adrift = self._adrift or now - self._since > after_seconds

    def _measure(self, now: float) -> None:
        """Learns what was asked for since the latest measurement."""
        seconds, self._measured_at = now - self._measured_at, now
        asked = self.active > 0
        for portion in (self._calls, self._rows):
            asked = (portion is not None and portion.measure(seconds)) or asked
        wished, self._refused_active = self.active + self._refused_active, 0
        self._wish += (1 - exp(-max(seconds, 0.0) / MEMORY_SECONDS)) * (wished - self._wish)
        if asked or wished:
            self._asked_at = now

    def _wake(self, now: float) -> None:
        """Begins to report. What others demand is not known any more: the share is an equal one."""
        self._open()
        share = self._roster.share
        for portion in (self._calls, self._rows):
            if portion is not None:
                portion.divide(share)
        if now - self._told_at > TOLD_SECONDS:
            self.allowance = allowance(self._limits.concurrency, share)
        self._since = self._asked_at = self._measured_at = now
        self.busy = True
        self._roster.busy.add(self)

    def _open(self) -> None:
        """Brings the portions in line with the limits."""
        limits, share = self._limits, self._roster.share
        self._calls = limited(self._calls, limits.calls_per_second, limits.burst_seconds, share)
        self._rows = limited(self._rows, limits.rows_per_second, limits.burst_seconds, share)
        self.bucket = None if self._calls is None else self._calls.bucket
        self._too_many = Refusals("CONCURRENCY_LIMITED", self.name, f"{limits.concurrency} calls under way")
        self._too_fast = Refusals("RATE_LIMITED", self.name, f"{limits.calls_per_second or 0:.10g} calls/s")
        self._too_wide = Refusals("RATE_LIMITED", self.name, f"{limits.rows_per_second or 0:.10g} rows/s")


def limited(portion: Portion | None, rate: float | None, burst_seconds: float, share: float) -> Portion | None:
    """Returns a portion under a limit that may be new to it."""
    if rate is None:
        return None
    capacity = max(1.0, rate * burst_seconds)
    if portion is None:
        return Portion(rate, capacity, share)
    portion.limit(rate, capacity)
    return portion


def allowance(concurrency: int | None, share: float) -> int:
    """Returns how many calls may be under way in a process that has a share of the limit."""
    return UNLIMITED if concurrency is None else max(1, int(concurrency * share))


def describe_portion(rate: float | None, portion: Portion | None, now: float) -> Mapping[str, Any]:
    """Says a rate that all gateways share, each second, and what of it is left here; all of it where none was used."""
    if portion is None:
        return {"rate": rate, "burst": None, "left": None}
    return {"rate": rate, "burst": portion.bucket.capacity, "left": portion.bucket.level(now)}
