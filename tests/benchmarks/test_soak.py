"""The suite `soak` as a whole, over the embedded backend, in moments too short to mean anything; and its arithmetic."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measuring import suites
from benchmarks.measuring.measurement import Pace
from benchmarks.soak import run
from benchmarks.soak.trends import cpu_per_1000, edges, least_squares, median_p99_ms, p99_ms, theil_sen
from benchmarks.soak.windows import Held, Window

MOMENT = Pace(rounds=1, seconds=2.4, warm_up_seconds=0.3)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def window(ended: float, *milliseconds: float, calls: int = 0) -> Window:
    """Returns a window whose calls of two loads took so long."""
    seconds = {"raw": np.asarray(milliseconds) / 1000, "typed": np.asarray(milliseconds[:1]) / 1000}
    held = Held({"gateway": 90.0}, {"python 1": 90.0}, 30, 20)
    return Window(ended, calls, seconds, 0, 0, 0, {"gateway": 0.5, "Triton": 0.25}, held)


def test_suite_runs_and_tells_what_it_found(tmp_path: Path) -> None:
    parts = {"moment": partial(run.measure, backend="onnx")}
    assert suites.carry_out("soak", parts, MOMENT, tmp_path) == []
    text = (tmp_path / "soak.md").read_text()
    assert "too few to conclude anything from" in text
    assert "PASS" not in text
    for outcome in ("NOT_FOUND", "INVALID_ARGUMENT", "UNAUTHENTICATED", "cancelled", "streamed", "stream left"):
        assert f"| {outcome} " in text
    assert "| changes of the catalog seen | " in text
    assert (tmp_path / "soak.png").stat().st_size > 10_000


def test_slopes_are_those_of_a_line() -> None:
    x, y = [0.0, 1.0, 2.0, 4.0], [90.0, 90.5, 91.0, 92.0]
    assert least_squares(x, y) == pytest.approx(0.5)
    assert theil_sen(x, y) == pytest.approx(0.5)


def test_an_outlier_moves_theil_sen_less_than_least_squares() -> None:
    x = list(map(float, range(20)))
    y = [90 + 0.5 * each for each in x[:-1]] + [150.0]
    assert theil_sen(x, y) == pytest.approx(0.5)
    assert least_squares(x, y) > 1


def test_calls_of_windows_are_taken_together() -> None:
    windows = [window(10, *range(1, 51)), window(20, *range(51, 101))]
    assert p99_ms(windows, "raw") == pytest.approx(99.01)
    assert p99_ms(windows, "typed") == pytest.approx(50.5)
    assert median_p99_ms(windows, "raw") == pytest.approx((49.51 + 99.51) / 2)
    assert cpu_per_1000(windows) == pytest.approx(1.5 / 102 * 1000)


def test_edges_are_the_first_and_the_last_seconds() -> None:
    windows = [window(ended) for ended in range(130, 1810, 10)]
    first, last = edges(windows, 300)
    assert [each.ended for each in first] == list(range(130, 430, 10))
    assert [each.ended for each in last] == list(range(1510, 1810, 10))
