"""The suite `telemetry`, in moments too short for figures to mean anything."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from benchmarks.measuring import suites
from benchmarks.measuring.measurement import Pace
from benchmarks.telemetry import run
from benchmarks.telemetry.exactness import Verdict, code_differences
from benchmarks.telemetry.mixture import Seen

MOMENT = Pace(rounds=1, seconds=0.3, warm_up_seconds=0.3)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the parts have found that need few gateways."""
    folder = tmp_path_factory.mktemp("results")
    parts = {name: part for name, part in run.PARTS.items() if name != "exactness"}
    assert suites.carry_out("telemetry", parts, MOMENT, folder) == []
    found: Mapping[str, Any] = json.loads((folder / "telemetry.json").read_text())
    return found


def test_cost_is_that_of_calls_with_and_without(kept: Mapping[str, Any]) -> None:
    without, not_kept, _ = kept["cost"]["figures"]["microseconds"].values()
    assert 0 < without < not_kept


def test_throughput_is_a_ratio(kept: Mapping[str, Any]) -> None:
    (bar,) = kept["throughput"]["bars"]
    assert bar["measured"] > 0


@pytest.mark.parametrize(("counted", "differences"), [(98, 0), (99, 0), (100, 0), (103, 0), (97, 2), (104, 2)])
def test_counts_may_differ_by_what_a_kill_interrupts(counted: int, differences: int) -> None:
    seen = Seen(Counter(OK=100, NOT_FOUND=5), lost=3)
    assert len([*code_differences(Counter(OK=counted, NOT_FOUND=5), seen)]) == differences


def test_every_trace_is_sent_or_counted(kept: Mapping[str, Any]) -> None:
    bars = {bar["what"]: bar for bar in kept["outages"]["bars"]}
    assert bars["absent, traces neither sent nor counted"]["reached"]
    assert bars["healthy, traces dropped"]["reached"]
    (_, absent, _), (_, healthy, _) = ([row[0], row[1], row[3]] for row in kept["outages"]["tables"][1]["rows"])
    assert min(absent, healthy) > 0


def test_what_differs_is_a_problem() -> None:
    verdict = Verdict()
    verdict.check("sheets", [])
    verdict.check("codes", ["OK was counted 3 times"])
    assert verdict.rows == [("sheets", "exact"), ("codes", "differs")]
    assert verdict.problems == ["codes: OK was counted 3 times"]
