"""Judges an arm by what it and the champion did in the same seconds: errors, latency, scores.

A guardrail is breached when the arm is beyond what it allows, and when it is sure that this is no accident
(`evidence.py`). Beside the whole window its last 5 and 10 seconds are judged by themselves: what breaks in an arm that
was well so far is seen as soon as in one that has just begun.

An arm is never judged by few calls, and never against a champion with few: where they do not compare, nothing is known.
Two things are taken as they come: a unit that calls far more often than others has its weight in its arm, and a
champion that is at fault itself makes an arm at fault look well.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gateway.experiments import Guardrails
from gateway.guard.evidence import Counts, Group, chance_distance, distance, drift, excess, sample_size, surplus
from gateway.guard.window import Count, Window
from gateway.telemetry.families import FINE_SECONDS

SHORTER_SECONDS = 5.0, 10.0

# Quantiles, each with the seconds that have to be looked at: a single stall of a machine is all of the slowest calls of
# a few seconds.
QUANTILES = (0.5, "median", 0.0), (0.99, "99th percentile", 9.0)

# Nats, at each look. Every call has a duration and a score, so that a chance of 1 in 3,000,000 is reached soon. Errors
# are few, and at most times there are none that could mislead: 1 in 60,000, which is 16 in one of two equal arms alone.
SURE, SURE_OF_ERRORS = 15.0, 11.0

# The same for an arm that has more errors than the champion, but no more than is allowed: 1 in 20.
SURE_OF_LIMIT = 3.0

LOWER = (0.0, *FINE_SECONDS)

# By how much longer an arm has to take before a ratio means anything to anybody.
LEAST_LONGER_SECONDS = 0.000_25


@dataclass(frozen=True, slots=True)
class Breach:
    """A guardrail that an arm has breached.

    Attributes:
        guardrail: Its name, as in the contract.
        reason: What was found, in words and figures.
    """

    guardrail: str
    reason: str


def judge(window: Window, limits: Guardrails) -> Breach | None:
    """Returns the first guardrail that an arm has breached in a window or in its last seconds, or None."""
    if not window.moments:
        return None
    shorter = [seconds for seconds in SHORTER_SECONDS if seconds < limits.window_seconds]
    for seconds in (*shorter, float(limits.window_seconds)):
        arm, champion = window.last(seconds)
        if min(calls_of(arm).sum(), calls_of(champion).sum()) >= limits.least_calls:
            spans = window.spans(seconds)
            for breach in breaches(arm, champion, limits, spans):
                return replace(breach, reason=f"within {spans:.0f} s {breach.reason}")
    return None


def breaches(arm: Count, champion: Count, limits: Guardrails, seconds: float) -> Iterator[Breach]:
    """Yields each guardrail that an arm has breached in some moments, which took so many seconds together."""
    errors, errors_there = (Group(each.failed, calls_of(each)) for each in (arm, champion))
    beyond = surplus(errors, errors_there.rate + limits.error_rate) >= SURE_OF_LIMIT
    if beyond and excess(errors, errors_there) >= SURE_OF_ERRORS:
        yield Breach(
            "error_rate",
            f"{told(errors)} failed, of the champion's {told(errors_there)}; {limits.error_rate:.2%} more are allowed",
        )
    if min(arm.durations.sum(), champion.durations.sum()) >= limits.least_calls:
        yield from slowness(arm.durations, champion.durations, limits.latency_ratio, seconds)
        yield from shift(arm, champion, limits)


def slowness(arm: Counts, champion: Counts, ratio: float, seconds: float) -> Iterator[Breach]:
    """Yields each quantile at which an arm takes too long in some moments, which took so many seconds together.

    As many of its calls would be slower than the champion's quantile times the ratio as of the champion's are slower
    than the quantile, or fewer: shares of calls, which are compared as errors are (Mathisen's control quantile test).
    So the champion's quantile may be as uncertain as its calls are few. Of the arm only whole buckets above the bound
    count.
    """
    calls, calls_there = arm.sum(axis=1), champion.sum(axis=1)
    for share, name, least_seconds in QUANTILES:
        usual = quantile(champion.sum(axis=0), share)
        bound = max(usual * ratio, usual + LEAST_LONGER_SECONDS)
        slow = Group(arm[:, np.searchsorted(FINE_SECONDS, bound) + 1 :].sum(axis=1), calls)
        slow_there = Group(slower(champion, usual), calls_there)
        if seconds >= least_seconds and excess(slow, slow_there) >= SURE:
            found = quantile(arm.sum(axis=0), share)
            yield Breach(
                "latency_ratio",
                f"{name} {found * 1000:.3g} ms, the champion's {usual * 1000:.3g} ms; "
                f"{ratio:g} times as long is allowed",
            )


def shift(arm: Count, champion: Count, limits: Guardrails) -> Iterator[Breach]:
    """Yields whether the scores of an arm are distributed otherwise."""
    apart = distance(arm.scores.sum(axis=0), champion.scores.sum(axis=0))
    size, size_there = (sample_size(each.scores.sum(axis=1), each.durations.sum(axis=1)) for each in (arm, champion))
    if min(size, size_there) < limits.least_calls:
        return
    joint = size * size_there / (size + size_there)
    if apart - chance_distance(joint) > limits.score_shift and drift(apart, joint) >= SURE:
        yield Breach(
            "score_shift",
            f"scores of {arm.scores.sum():,.0f} rows are {apart:.3f} from those of the champion's "
            f"{champion.scores.sum():,.0f}, by Kolmogorov-Smirnov distance; "
            f"{limits.score_shift:g} is allowed",
        )


def calls_of(count: Count) -> Counts:
    """Returns the calls of each moment that were answered or failed."""
    return np.asarray(count.durations.sum(axis=1) + count.failed)


def quantile(durations: Counts, share: float) -> float:
    """Returns how long, in seconds, so large a share of calls took at the most, as if a bucket's were spread evenly."""
    reached = np.cumsum(durations)
    at = min(int(np.searchsorted(reached, share * reached[-1])), len(FINE_SECONDS) - 1)
    before = reached[at] - durations[at]
    within = (share * reached[-1] - before) / max(durations[at], 1.0)
    return float(LOWER[at] + (FINE_SECONDS[at] - LOWER[at]) * min(within, 1.0))


def slower(durations: Counts, seconds: float) -> Counts:
    """Returns the calls of each moment that took longer, of a bucket as many as if they were spread evenly."""
    at = min(int(np.searchsorted(FINE_SECONDS, seconds)), len(FINE_SECONDS) - 1)
    within = (FINE_SECONDS[at] - seconds) / (FINE_SECONDS[at] - LOWER[at])
    return np.asarray(durations[:, at + 1 :].sum(axis=1) + durations[:, at] * max(within, 0.0))


def told(group: Group) -> str:
    """Says how many of how many."""
    return f"{group.rate:.2%} ({group.hits.sum():,.0f} of {group.calls.sum():,.0f} calls)"
