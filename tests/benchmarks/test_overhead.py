"""`gapura bench overhead` over the embedded backend, in moments too short for figures to mean anything."""

from pathlib import Path

import pytest

from benchmarks.measuring.measurement import Pace
from benchmarks.overhead import run, stages
from benchmarks.overhead.ground import DIRECT, EMBEDDED, NATIVE, contestant, open_small
from benchmarks.overhead.starts import start_once
from gateway.operations.kept import KeptCall, Stage

MOMENT = Pace(rounds=1, seconds=0.3, warm_up_seconds=0.2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_lone_call_is_taken_apart(tmp_path: Path) -> None:
    with open_small(triton=False) as place:
        with place.gateway("onnx", settings={"GAPURA_TELEMETRY": str(tmp_path)}) as gateway:
            both = {name: contestant(place, name, gateway) for name in (DIRECT, NATIVE)}
            findings = run.compare(both, {NATIVE: tmp_path}, MOMENT)
        seconds, mib = start_once(place, EMBEDDED)
    assert findings.problems == []
    found = findings.figures["stages"][NATIVE]
    assert found.keys() == {*stages.STAGES, "inside"}
    assert 0.5 * found["inside"] < sum(found[stage] for stage in stages.STAGES) < 1.5 * found["inside"]
    assert found["inference"] > 0
    assert len(findings.bars) == 1
    assert seconds > 0 < mib


def test_stages_are_medians_in_microseconds() -> None:
    calls = [call_of(0.001), call_of(0.002), call_of(0.009)]
    found = stages.medians_of(calls)
    assert found["inference"] == pytest.approx(2_000)
    assert found["inside"] == pytest.approx(2_500)
    assert found["queue"] == 0


def test_what_stages_leave_is_outside() -> None:
    table = stages.tabulate({NATIVE: {"inference": 400.0, "inside": 600.0}}, {NATIVE: 1.0})
    assert table.rows == ((NATIVE, 400, 600, 400, 1000),)


def call_of(inference_seconds: float) -> KeptCall:
    """Returns a trace of half a millisecond beside its inference."""
    parts = (Stage("receive", 0.0, 0.0005), Stage("inference", 0.0005, inference_seconds))
    whole = inference_seconds + 0.0005
    return KeptCall(kind="call", trace="0" * 32, span="", start_ns=0, seconds=whole, stages=parts)
