"""Ratios, spreads, percentiles and bars."""

import math

import pytest

from benchmarks.measuring.ratios import difference_of, order_of_round, own_spread, percentile_ms, ratio_of
from benchmarks.measuring.report import render_table, without_nan
from benchmarks.measuring.results import Bar, Findings


def test_ratio_is_taken_round_by_round() -> None:
    ratio = ratio_of([4.0, 9.0, 20.0], [2.0, 3.0, 5.0])
    assert (ratio.median, ratio.low, ratio.high) == (3.0, 2.0, 4.0)


def test_difference_is_taken_round_by_round() -> None:
    assert difference_of([1.5, 1.0], [0.5, 0.75]).median == pytest.approx(0.625)


def test_spread_is_between_neighbouring_rounds() -> None:
    assert own_spread([100.0, 110.0, 121.0]) == pytest.approx(0.1)
    assert own_spread([100.0, 110.0, 121.0, 242.0]) == pytest.approx(0.1)
    assert own_spread([100.0]) == 0.0


def test_each_contestant_goes_first_equally_often() -> None:
    names = ["a", "b", "c"]
    firsts = [order_of_round(names, number)[0] for number in range(6)]
    assert sorted(firsts) == ["a", "a", "b", "b", "c", "c"]
    assert all(sorted(order_of_round(names, number)) == names for number in range(6))


def test_percentile_is_in_milliseconds() -> None:
    assert percentile_ms([0.001, 0.002, 0.003], 0.5) == pytest.approx(2.0)
    assert math.isnan(percentile_ms([], 0.5))


def test_bar_is_reached_or_missed() -> None:
    assert str(Bar("gain", 2.5, at_least=2.0, spread="2.40 to 2.60")) == "PASS  gain: 2.5 (2.40 to 2.60), at least 2"
    assert str(Bar("p99", 120.0, at_most=100.0)) == "MISSED  p99: 120, at most 100"
    assert not Bar("p99", math.nan, at_most=100.0).reached


def test_noise_is_a_contestant_that_differs_or_a_machine_that_others_use() -> None:
    assert not Findings(spreads=[0.1], others_cores=0.05).noisy
    assert Findings(spreads=[0.1, 0.2]).noisy
    assert Findings(others_cores=0.5).noisy


def test_columns_of_a_table_line_up() -> None:
    assert render_table(["", "calls"], [["direct", 1]]) == [
        "|        | calls |",
        "|--------|-------|",
        "| direct | 1     |",
    ]


def test_figures_that_could_not_be_had_are_null() -> None:
    assert without_nan({"a": [1.0, math.nan]}) == {"a": [1.0, None]}
