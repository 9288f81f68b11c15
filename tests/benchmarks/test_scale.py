"""`gapura bench scale`, with a few models, tenants and kilobytes, in moments too short for figures to mean anything."""

from pathlib import Path

import pytest

from benchmarks.gbm import Recipe, train
from benchmarks.measuring.measurement import Pace
from benchmarks.models import BenchModel
from benchmarks.scale import pairs, tensors
from benchmarks.scale.crowd import add_crowd
from gateway.tenancy.file import TenantsFile

MOMENT = Pace(rounds=1, seconds=0.3, warm_up_seconds=0.2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_gateways_that_know_little_and_much_are_compared() -> None:
    graph, signature = train(Recipe(trees=3, depth=2))
    models = [BenchModel(f"team9_copy{number}", graph, signature) for number in range(4)]
    findings = pairs.compare(pairs.Side("few", models[:1]), pairs.Side("many", models, 50), MOMENT)
    assert findings.problems == []
    (rounds,) = findings.figures.values()
    assert rounds.keys() == {"few", "many"}
    assert all(each["calls"] > 0 < each["cpu_per_1000"] for measured in rounds.values() for each in measured)
    assert [bar.what for bar in findings.bars] == ["p50, many over few", "CPU per call, many over few"]
    assert [row[0] for row in findings.tables[1].rows] == ["few", "many"]


def test_tenants_that_never_call_are_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text("tenants:\n")
    add_crowd(file, 300)
    found = TenantsFile(file).parse(file.read_text()).tenants
    assert len({tenant.name for tenant in found}) == len({tenant.keys[0].id for tenant in found}) == 300


def test_large_tensors_are_measured_longer_and_looked_at_once() -> None:
    small, large = (tensors.pace_of(size, MOMENT) for size in (tensors.MIB, tensors.LARGE))
    assert large.seconds > small.seconds
    assert large.look_seconds > large.seconds + large.warm_up_seconds


def test_changed_tensor_is_told() -> None:
    question = tensors.EchoQuestion(b"", b"\0\1\2\3")
    assert not question.problem(b"...\0\1\2\3")
    assert question.problem(b"...\0\1\2\4")
