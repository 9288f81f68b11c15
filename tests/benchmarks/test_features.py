"""The suite `features`, in moments too short for figures to mean anything, and the models that it makes up."""

import json
from pathlib import Path

import pytest

from benchmarks.features import run, scorers
from benchmarks.measuring import suites
from benchmarks.measuring.measurement import Pace

MOMENT = Pace(rounds=1, seconds=0.3, warm_up_seconds=0.3)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_parts_run_and_keep_what_they_find(tmp_path: Path) -> None:
    parts = {name: part for name, part in run.PARTS.items() if name != "outages"}  # those have a test under chaos
    assert suites.carry_out("features", parts, MOMENT, tmp_path) == []
    kept = json.loads((tmp_path / "features.json").read_text())
    (rounds,) = kept["typed"]["figures"].values()
    assert len(rounds) == 4
    assert all(each["calls_per_second"] > 0 and each["looked_at"] > 0 for seen in rounds.values() for each in seen)
    assert len(kept["typed"]["bars"]) == 2
    assert {bar["what"] for bar in kept["reading"]["bars"]} == {"µs of CPU, miss", "µs of CPU, hit"}
    assert kept["feast"]["tables"][0]["title"] == "not measured"


@pytest.mark.parametrize("method", [scorers.CREDIT, scorers.FRAUD])
def test_calls_by_ids_leave_out_what_is_stored(method: str) -> None:
    scorer = scorers.train(method)
    by_ids, in_full = (scorer.request(7, by_ids=by_ids) for by_ids in (True, False))
    stored = sum(len(view.columns) for view in scorer.views)
    assert len(in_full.ListFields()) - len(by_ids.ListFields()) == stored >= 10
    assert scorers.entity_of(7) == "e7" == by_ids.customer_id == in_full.customer_id  # type: ignore[attr-defined]


def test_another_rows_score_is_a_problem() -> None:
    scorer = scorers.train(scorers.CREDIT)
    right, wrong = (
        scorer.method.response(default_probability=float(scorer.scores[number])).SerializeToString()
        for number in (3, 4)
    )
    assert scorer.problem(3, right) == ""
    assert "row 3 has the score" in scorer.problem(3, wrong)
