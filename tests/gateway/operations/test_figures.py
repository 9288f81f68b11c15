"""Figures of traffic, and the history that they are taken from."""

from pathlib import Path

import numpy as np
import pytest

from gateway.operations.figures import courses_by, figures_by, percentile
from gateway.operations.history import KEPT_SECONDS, History
from gateway.telemetry.layout import Labels
from gateway.telemetry.reading import SheetReader
from tests.operations.telemetry_data import Worker

BOUNDS = (1.0, 2.0, 4.0)


def arm_of(labels: Labels) -> str:
    """Returns the arm."""
    return labels[5]


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ([0, 0, 0, 0], 0.5, None),
        ([4, 0, 0, 0], 0.5, 0.5),
        ([0, 4, 0, 0], 0.5, 1.5),
        ([2, 0, 2, 0], 0.75, 3.0),
        ([1, 1, 1, 1], 0.99, 4.0),
        ([0, 0, 0, 5], 0.5, 4.0),
    ],
)
def test_percentiles_are_those_of_histogram_quantile(buckets: list[int], share: float, expected: float | None) -> None:
    assert percentile(np.array(buckets, float), BOUNDS, share) == expected


def test_figures_are_those_of_the_window_alone(tmp_path: Path) -> None:
    worker, reader, history = Worker(tmp_path), SheetReader(tmp_path), History()
    worker.count(5.0, code="UNAVAILABLE")
    history.add(reader.take(1000))
    for _ in range(98):
        worker.count(0.0015)
    worker.count(0.0015, code="INTERNAL")
    worker.count(0.0015, code="RESOURCE_EXHAUSTED")
    worker.count(0.3, arm="challenger")
    history.add(reader.take(1050))
    window = history.window(60)
    assert window is not None
    found = figures_by(window, arm_of)
    champion = found["champion"]
    assert (champion.calls, champion.rate, champion.rows_rate) == (100, 2.0, 16.0)
    assert (champion.failed, champion.refused, champion.failed_share) == (1, 1, 0.01)
    assert champion.codes == {"INTERNAL": 1, "RESOURCE_EXHAUSTED": 1}
    assert champion.mean == pytest.approx(0.0015)
    assert champion.p50 == pytest.approx(0.0015)
    assert found["challenger"].calls == 1


def test_a_window_is_as_long_as_there_is_history(tmp_path: Path) -> None:
    worker, reader, history = Worker(tmp_path), SheetReader(tmp_path), History()
    assert history.window(60) is None
    for second in range(0, 3000, 2):
        worker.count(0.1)
        history.add(reader.take(second))
    for asked in (60, 300, 900):
        window = history.window(asked)
        assert window is not None
        assert asked <= window.seconds < asked + 20
        assert figures_by(window, arm_of)["champion"].rate == pytest.approx(0.5, rel=0.05)
    before = history.window(900, ago=300)
    assert before is not None
    assert before.after.taken == pytest.approx(2700, abs=20)
    longest = history.window(10 * KEPT_SECONDS)
    assert longest is not None
    assert longest.seconds == pytest.approx(KEPT_SECONDS, abs=20)


def test_a_sheet_that_was_begun_anew_makes_no_rate_negative(tmp_path: Path) -> None:
    worker, reader, history = Worker(tmp_path), SheetReader(tmp_path), History()
    worker.count(0.1)
    worker.count(0.1)
    history.add(reader.take(0))
    (tmp_path / "gateway-0.sheet").unlink()
    Worker(tmp_path).count(0.1)
    history.add(reader.take(10))
    window = history.window(60)
    assert window is not None
    assert all(each.rate >= 0 for each in figures_by(window, arm_of).values())


def test_courses_go_step_by_step_for_series_that_come_later_too(tmp_path: Path) -> None:
    worker, reader, history = Worker(tmp_path), SheetReader(tmp_path), History()
    for step in range(4):
        history.add(reader.take(step * 15))
        for _ in range(15 * step):
            worker.count(0.1, arm="champion" if step < 2 else "challenger", code="OK" if step < 2 else "INTERNAL")
    history.add(reader.take(60))
    courses = courses_by(history.steps(900), arm_of)
    assert courses["champion"].rates == [0.0, 1.0, 0.0, 0.0]
    assert courses["challenger"].rates == courses["challenger"].failed == [0.0, 0.0, 2.0, 3.0]
    assert courses["champion"].failed == [0.0] * 4
