"""States of processes are read as far as they can be understood."""

import json
from pathlib import Path
from time import time_ns

import pytest

from gateway.operations.generations import FILE, MOST, Generations
from gateway.operations.states import State, parse_state, read_states
from tests.operations.story import state
from tests.operations.telemetry_data import Worker


def test_everything_that_a_process_tells_is_understood(tmp_path: Path) -> None:
    Worker(tmp_path).tell(**state(0))
    (found,) = read_states(tmp_path)
    assert found.worker == "gateway-0"
    assert found.catalog is not None
    forecast, credit, _ = found.catalog.models
    assert [arm.version for arm in forecast.arms] == [7, 8]
    assert credit.experiments[0].halts == {"bold": "p99 is 3.1 times the champion's"}
    assert [(shadow.name, shadow.share) for shadow in credit.shadows] == [("rival", 0.5)]
    assert found.shadows[0].queued == 12
    assert found.tenants[0].calls.left == 61.0
    assert found.nodes[2].ejected


def test_a_silent_process_is_left_out(tmp_path: Path) -> None:
    Worker(tmp_path).tell(written_ns=time_ns() - 11_000_000_000)
    assert read_states(tmp_path) == []


def test_processes_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 0):
        told = {"worker": f"gateway-{number}", "written_ns": time_ns()}
        (tmp_path / f"gateway-{number}.state.json").write_text(json.dumps(told))
    assert [each.worker for each in read_states(tmp_path)] == ["gateway-0", "gateway-9", "gateway-10"]


def test_a_part_that_is_not_as_expected_counts_as_missing() -> None:
    told = {
        "worker": "w",
        "pid": "many",
        "lanes": [{"slots": None}],
        "nodes": [{"address": "a:1", "new": 1}],
        "more": 1,
    }
    found = parse_state(json.dumps(told).encode(), "w")
    assert found is not None
    assert (found.worker, found.pid, found.lanes) == ("w", 0, ())
    assert [node.address for node in found.nodes] == ["a:1"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff"])
def test_what_is_no_state_is_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "gateway-0.state.json").write_bytes(content)
    assert read_states(tmp_path) == []


def states_of(*numbers: int) -> list[State]:
    """Returns the state of a process that tells of generations."""
    history = [{"generation": number, "live_since_ns": number, "changes": [f"change {number}"]} for number in numbers]
    return [State.model_validate({"catalog": {"generation": max(numbers), "history": history}})]


def test_generations_are_remembered_beyond_the_processes_that_tell_of_them(tmp_path: Path) -> None:
    Generations(tmp_path).learn(states_of(1, 2))
    later = Generations(tmp_path)
    later.learn(states_of(2, 3))
    assert [each.generation for each in later.latest()] == [3, 2, 1]
    assert Generations(tmp_path).latest()[2].changes == ("change 1",)


def test_the_history_of_generations_is_bounded_and_survives_damage(tmp_path: Path) -> None:
    Generations(tmp_path).learn(states_of(*range(1, MOST + 20)))
    assert len((tmp_path / FILE).read_text().splitlines()) == MOST
    with (tmp_path / FILE).open("a") as file:
        file.write('{"generation": \n[]\n')
    assert Generations(tmp_path).latest()[0].generation == MOST + 19
