"""Sequences through the gateway: their calls reach the node that has their state, in order, and no other."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from struct import pack, unpack
from typing import Any

import pytest

from tests.contract.cases import Case, infer
from tests.contract.targets import Outcome, Target

START, END = {"sequence_start": True}, {"sequence_end": True}


def add(value: int, sequence: int | str, rows: int = 1, **parameters: object) -> Case:
    """Returns a call that adds to a sequence."""
    asked = {"sequence_id": sequence, **parameters}
    tensor = ("X", "INT64", [rows, 1], pack("<q", value) * rows)
    return Case("add", "ModelInfer", infer("accumulator", tensor, parameters=asked))


def sum_of(outcome: Outcome) -> int:
    """Returns the sum that a call got."""
    assert outcome.code == "OK", outcome.message
    return int(unpack("<q", outcome.answer.raw_output_contents[0])[0])


def process_of(outcome: Outcome) -> int:
    """Returns the process that has the state."""
    return int(unpack("<q", outcome.answer.raw_output_contents[1])[0])


@pytest.mark.parametrize("sequence", [11, "eleven"])
def test_a_sequence_adds_up(python_over_triton: Target, sequence: int | str) -> None:
    calls = [add(1, sequence, **START), add(2, sequence), add(3, sequence), add(4, sequence, **END)]
    assert [sum_of(python_over_triton.ask(call)) for call in calls] == [1, 3, 6, 10]


def test_many_sequences_at_once_stay_apart_and_share_the_nodes(python_over_triton: Target) -> None:
    def run(sequence: int) -> set[int]:
        outcomes = [
            python_over_triton.ask(add(sequence, sequence, **(START if step == 0 else {}))) for step in range(9)
        ]
        outcomes.append(python_over_triton.ask(add(sequence, sequence, **END)))
        assert [sum_of(outcome) for outcome in outcomes] == [sequence * (step + 1) for step in range(10)]
        return {process_of(outcome) for outcome in outcomes}

    with ThreadPoolExecutor(16) as callers:
        homes = list(callers.map(run, range(100, 116)))
    assert {len(processes) for processes in homes} == {1}
    assert len(set.union(*homes)) == 2


def test_a_sequence_in_a_stream_keeps_its_order(python_over_triton: Target) -> None:
    calls = [add(number, 21, **(START if number == 0 else {})) for number in range(50)]
    outcomes = python_over_triton.stream([call.request for call in calls])
    sums = [unpack("<q", outcome.answer.raw_output_contents[0])[0] for outcome in outcomes[:-1]]
    assert sums == [sum(range(number + 1)) for number in range(50)]


REFUSED: Mapping[str, Case] = {
    "no beginning": add(1, 31),
    "no sequence": add(1, 0),
    "two rows": add(1, 32, 2, **START),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_call_that_continues_nothing_is_refused_as_triton_does(
    python_direct: Target, python_over_triton: Target, name: str
) -> None:
    expected, got = python_direct.ask(REFUSED[name]), python_over_triton.ask(REFUSED[name])
    assert (got.code, got.message) == (expected.code, expected.message)


def test_a_refused_call_leaves_the_sequence_as_it_was(python_over_triton: Target) -> None:
    wrong: Any = add(1, 41)
    wrong.request.inputs[0].shape[:] = [1, 2]
    calls = [add(1, 41, **START), wrong, add(2, 41)]
    outcomes = [python_over_triton.ask(call) for call in calls]
    assert [outcome.code for outcome in outcomes] == ["OK", "INVALID_ARGUMENT", "OK"]
    assert sum_of(outcomes[2]) == 3
