"""What other servers that merge calls got wrong: MLServer's issues 1306, 514 and 1541, as callers of it told them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from struct import pack
from threading import Barrier
from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from gateway.tensors import element
from tests.contract.cases import Case, infer, set_parameters
from tests.contract.targets import Outcome, Target

CALLERS = 24
LEAST_ROUNDS, MOST_ROUNDS = 10, 100


def at_once(served: Target, requests: Sequence[Any]) -> list[Outcome]:
    """Makes calls from as many callers, all at the same moment."""
    ready = Barrier(len(requests))

    def ask(request: Any) -> Outcome:
        ready.wait()
        return served.ask(Case("at once", "ModelInfer", request))

    with ThreadPoolExecutor(len(requests)) as callers:
        return list(callers.map(ask, requests))


def batches_of(served: Target, model: str) -> int:
    """Returns how many batches a model has computed."""
    case = Case("", "ModelStatistics", service_pb2.ModelStatisticsRequest(name=model))
    return int(served.ask(case).answer.model_stats[0].execution_count)


def merged(served: Target, model: str, request: Callable[[int], Any], check: Callable[[int, Outcome], None]) -> None:
    """Makes rounds of calls at once and checks every answer, until some have met in a batch."""
    before = batches_of(served, model)
    for turn in range(MOST_ROUNDS):
        numbers = range(turn * CALLERS, (turn + 1) * CALLERS)
        for number, outcome in zip(numbers, at_once(served, list(map(request, numbers))), strict=True):
            assert outcome.code == "OK", outcome.message
            assert outcome.answer.id == f"id {number}"
            check(number, outcome)
        if turn >= LEAST_ROUNDS and batches_of(served, model) - before < (turn + 1) * CALLERS:
            return
    pytest.fail("no two calls have shared a batch")


def test_1306_three_calls_at_once_get_one_row_each(served: Target) -> None:
    """One of three callers got the rows of all, and the others none."""
    for number in range(50):
        rows = [pack("<3f", number, nth, 0) for nth in range(3)]
        asked = [infer("matrix", ("X", "FP32", [1, 3], row), id=str(nth)) for nth, row in enumerate(rows)]
        outcomes = at_once(served, asked)
        assert [outcome.answer.outputs[0].shape for outcome in outcomes] == [[1, 3]] * 3
        assert [list(outcome.answer.raw_output_contents) for outcome in outcomes] == [[row] for row in rows]
        assert [outcome.answer.id for outcome in outcomes] == ["0", "1", "2"]


def test_514_calls_that_meet_get_the_outputs_that_each_asked_for(served: Target) -> None:
    """A call that asked for one output got another while calls were merged."""
    kinds: Sequence[list[str]] = (["OUTPUT0"], ["OUTPUT1"], ["OUTPUT0", "OUTPUT1"], [])

    def request(number: int) -> Any:
        tensors = [(name, "INT32", [1, 16], pack("<16i", *[value] * 16)) for name, value in inputs(number).items()]
        return infer("simple", *tensors, outputs=kinds[number % 4], id=f"id {number}")

    def inputs(number: int) -> dict[str, int]:
        return {"INPUT0": number, "INPUT1": 1000 * number}

    def check(number: int, outcome: Outcome) -> None:
        expected = {"OUTPUT0": 1001 * number, "OUTPUT1": -999 * number}
        names = kinds[number % 4] or list(expected)
        assert [output.name for output in outcome.answer.outputs] == names
        assert list(outcome.answer.raw_output_contents) == [pack("<16i", *[expected[name]] * 16) for name in names]

    merged(served, "simple", request, check)


def test_514_classes_of_some_calls_leave_the_tensors_of_others_alone(served: Target) -> None:
    def request(number: int) -> Any:
        outputs = {"P": {"classification": 1 + number % 2}} if number % 3 else {}
        return infer("classes", ("X", "FP32", [1, 4], scores(number)), outputs=outputs, id=f"id {number}")

    def scores(number: int) -> bytes:
        return pack("<4f", number, number + 2, number + 1, 0)

    def check(number: int, outcome: Outcome) -> None:
        best = f"{number + 2:.6f}:1:dog".encode(), f"{number + 1:.6f}:2:newt".encode()
        classes = b"".join(map(element, best[: 1 + number % 2]))
        assert list(outcome.answer.raw_output_contents) == [classes if number % 3 else scores(number)]

    merged(served, "classes", request, check)


@pytest.mark.parametrize("alone", [True, False])
def test_1541_parameters_of_any_kind_leave_a_call_whole(direct: Target, served: Target, alone: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Parameters of one call alone were cut to their first letters, and a number failed the call."""

    def request(number: int) -> Any:
        made = infer("matrix", ("X", "FP32", [1, 3], pack("<3f", number, 1, 2)), id=f"id {number}", outputs=["Y"])
        for target in (made.parameters, made.inputs[0].parameters, made.outputs[0].parameters):
            set_parameters(target, {"id": "123", "count": 5, "share": 0.5, "yes": True})
        return made

    asked = [request(number) for number in range(1 if alone else CALLERS)]
    expected = [direct.ask(Case("", "ModelInfer", each)) for each in asked]
    assert at_once(served, asked) == expected
    assert {outcome.code for outcome in expected} == {"OK"}


def test_texts_of_different_lengths_share_a_batch(served: Target) -> None:
    def request(number: int) -> Any:
        return infer("same_bytes", ("X", "BYTES", [1, 2], texts(number)), id=f"id {number}")

    def texts(number: int) -> bytes:
        return element(b"x" * (number % 7)) + element(str(number).encode() * (number % 5))

    def check(number: int, outcome: Outcome) -> None:
        assert list(outcome.answer.raw_output_contents) == [texts(number)]

    merged(served, "same_bytes", request, check)


def test_rows_of_different_sizes_keep_apart(served: Target) -> None:
    """A batch of both would have no shape: each answer has that of its own call."""

    def request(number: int) -> Any:
        return infer("anywhere", ("X", "FP32", [1, number % 3, 2], rows(number)), id=f"id {number}")

    def rows(number: int) -> bytes:
        return pack(f"<{number % 3 * 2}f", *[number] * (number % 3 * 2))

    def check(number: int, outcome: Outcome) -> None:
        assert list(outcome.answer.outputs[0].shape) == [1, number % 3, 2]
        assert list(outcome.answer.raw_output_contents) == [rows(number)]

    merged(served, "anywhere", request, check)
