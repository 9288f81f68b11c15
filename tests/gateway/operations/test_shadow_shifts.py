"""Shifts of scores are divided by size and direction, as wide on either side."""

from collections.abc import Sequence

import numpy as np

from gateway.operations.views.shadows import LEAST_SIZES, SIZES, Parts, parts_of
from gateway.telemetry.families import SHADOW_SHIFT


def parts_with(shifts: Sequence[float]) -> Parts:
    """Returns the parts of shifts, as they are counted."""
    buckets = np.zeros(len(SHADOW_SHIFT.bounds) + 1)
    for shift in shifts:
        buckets[np.searchsorted(SHADOW_SHIFT.bounds, shift)] += 1
    return parts_of(buckets)


def test_sizes_are_told_apart_by_what_is_counted() -> None:
    bounds = set(SHADOW_SHIFT.bounds)
    assert bounds.issuperset(SIZES)
    assert bounds.issuperset(-size for size in SIZES)


def test_what_hardly_shifts_is_in_the_middle() -> None:
    found = parts_with([0.0, 0.005, -0.005, 0.01])
    assert found.counts[LEAST_SIZES] == 4
    assert (found.steady, found.lower, found.higher, found.widest) == (1.0, 0, 0, 1.0)


def test_shifts_keep_their_size_and_direction() -> None:
    found = parts_with([-0.015, -0.3, 0.03, 0.03, 0.6])
    middle = len(found.counts) // 2
    assert {at - middle: count for at, count in enumerate(found.counts) if count} == {-1: 1, -5: 1, 2: 2, 6: 1}
    assert (found.lower, found.higher) == (2, 3)


def test_the_parts_reach_as_far_as_the_largest_shift() -> None:
    assert parts_with([-150.0]).widest == 200.0
    far = parts_with([1e9, -1e9])
    assert (far.counts[0], far.counts[-1], far.widest) == (1, 1, SIZES[-1])


def test_nothing_is_nothing() -> None:
    found = parts_with([])
    assert found.steady is None
    assert not any(column.height for column in found.columns)
