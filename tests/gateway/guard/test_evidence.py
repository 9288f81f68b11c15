"""Evidence bounds the probability of what is seen, whatever is compared; what happens together counts for less."""

from math import comb, exp, log, sqrt

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.guard.evidence import Group, distance, drift, excess, sample_size, surplus, times

MOMENTS = 20
counts = st.integers(0, 60)


def spread(hits: int, calls: int) -> Group:
    """Makes a group whose hits and calls come as evenly as they can."""
    edges = np.arange(MOMENTS + 1) / MOMENTS
    return Group(np.diff(np.round(edges * hits)), np.diff(np.round(edges * calls)))


def fisher(hits: int, calls: int, hits_there: int, calls_there: int) -> float:
    """Returns the probability of so many hits or more, if all calls are alike: Fisher's exact test."""
    both, all_calls = hits + hits_there, calls + calls_there
    ways = (comb(calls, k) * comb(calls_there, both - k) for k in range(hits, min(calls, both) + 1))
    return sum(ways) / comb(all_calls, both)


@given(counts, st.integers(61, 400), counts, st.integers(61, 400))
@example(60, 61, 0, 61)
def test_evidence_of_an_excess_bounds_the_exact_probability(
    hits: int, calls: int, there: int, calls_there: int
) -> None:
    evidence = excess(spread(hits, calls), spread(there, calls_there))
    assert fisher(hits, calls, there, calls_there) <= sqrt(calls + calls_there) * exp(-evidence)
    assert evidence == 0 or hits * calls_there > there * calls


@given(counts, st.integers(61, 400), counts, st.integers(61, 400))
def test_more_errors_are_more_evidence(hits: int, calls: int, there: int, calls_there: int) -> None:
    one = excess(spread(hits, calls), spread(there, calls_there))
    if spread(hits, calls).dispersion() == spread(hits + 1, calls).dispersion() == 1:
        assert excess(spread(hits + 1, calls), spread(there, calls_there)) >= one


def test_as_many_errors_at_once_are_less_evidence_than_one_after_the_other() -> None:
    good = spread(0, 400)
    hits = np.zeros(MOMENTS)
    hits[[2, 9, 16]] = 5
    together = Group(hits, np.full(MOMENTS, 20.0))
    assert together.dispersion() > 2
    assert 0 < excess(together, good) < excess(spread(15, 400), good) / 1.5


def test_what_happened_once_or_twice_is_no_evidence() -> None:
    hits = np.zeros(MOMENTS)
    hits[[2, 3, 4, 9]] = 5
    assert times(hits) == 2
    assert excess(Group(hits, np.full(MOMENTS, 20.0)), spread(0, 400)) == 0


def test_a_rate_above_another_is_evidence_and_one_below_is_none() -> None:
    assert surplus(spread(20, 400), 0.01) == pytest.approx(20 * log(5) + 380 * log(0.95 / 0.99))
    assert surplus(spread(4, 400), 0.02) == 0
    assert surplus(spread(400, 400), 0.5) == pytest.approx(400 * log(2))


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5), st.lists(st.integers(0, 50), min_size=5, max_size=5))
def test_a_distance_is_that_of_the_distributions(one: list[int], other: list[int]) -> None:
    if not (sum(one) and sum(other)):
        return
    shares, shares_there = (np.cumsum(each) / sum(each) for each in (one, other))
    found = distance(np.array(one, float), np.array(other, float))
    assert found == pytest.approx(max(abs(shares - shares_there)))
    assert 0 <= found <= 1


def test_evidence_of_a_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    assert exp(-drift(0.2, 100)) == pytest.approx(2 * exp(-8))
    assert drift(0.01, 100) == 0


def test_rows_of_one_call_say_no_more_than_the_call() -> None:
    alone = np.full(MOMENTS, 5.0)
    assert sample_size(alone, alone) == pytest.approx(100)
    assert sample_size(alone * 40, alone) == pytest.approx(100)
    unequal = alone.copy()
    unequal[3] = 2000
    assert sample_size(unequal, alone) < 10
