"""Decoupled models through the gateway: all their responses reach a stream, and calls of one answer are refused."""

from struct import pack
from typing import Any

import pytest

from tests.contract.cases import Case, infer
from tests.contract.cases import matrix as no_such_model
from tests.contract.targets import Target, seen

LAST = {"triton_enable_empty_final_response": True}


def repeat(count: int, name: str = "r", **fields: Any) -> Any:
    """Returns a request that gets as many responses."""
    return infer("repeater", ("X", "INT64", [1, 1], pack("<q", count)), id=name, **fields)


def telling(name: str) -> Any:
    """Returns a request of a model that is not decoupled."""
    return infer("telling", ("X", "FP32", [1, 2], pack("<2f", 1, 2)), outputs=["Y"], id=name)


UNARY = {
    "well made": repeat(2),
    "no inputs": infer("repeater"),
    "a bad parameter": repeat(2, parameters={"timeout": "x"}),
    "no such version": repeat(2, model_version="7"),
}


@pytest.mark.parametrize("name", UNARY)
def test_a_call_of_one_answer_is_refused_in_tritons_words(
    python_direct: Target, python_over_triton: Target, name: str
) -> None:
    case = Case(name, "ModelInfer", UNARY[name])
    expected, got = python_direct.ask(case), python_over_triton.ask(case)
    assert (got.code, got.message) == (expected.code, expected.message)


STREAMS: dict[str, list[Any]] = {
    "several responses": [repeat(3)],
    "no response": [repeat(0)],
    "no response but the last": [repeat(0, parameters=LAST)],
    "the last one, and no id": [repeat(2, "", parameters=LAST)],
    "an output by name": [repeat(2, outputs=["Y"])],
    "classes": [repeat(2, outputs={"Y": {"classification": 1}})],
    "parameters": [repeat(1, parameters={"custom": 1, "sequence_id": 4})],
    "a bad request": [infer("repeater", id="bad")],
    "a bad request among others": [infer("repeater", id="bad"), repeat(2)],
    "a model that is not there": [no_such_model()],
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_gets_what_triton_sends(python_direct: Target, python_over_triton: Target, name: str) -> None:
    assert seen(python_over_triton.stream(STREAMS[name])) == seen(python_direct.stream(STREAMS[name]))


def test_requests_of_one_stream_get_their_own_responses_in_order(python_over_triton: Target) -> None:
    asked = [repeat(number % 5, f"r{number}", parameters=LAST) for number in range(60)]
    asked += [telling(f"t{number}") for number in range(60)]
    *answers, end = python_over_triton.stream(asked)
    assert end.code == "OK"
    for number in range(60):
        mine = [each.answer for each in answers if each.answer.id == f"r{number}"]
        assert [each.raw_output_contents[0] for each in mine[:-1]] == [pack("<q", nth) for nth in range(number % 5)]
        assert [each.parameters["triton_final_response"].bool_param for each in mine] == [False] * (number % 5) + [True]
    assert [each.answer.id for each in answers if each.answer.id[0] == "t"] == [f"t{number}" for number in range(60)]


def test_an_error_among_the_responses_is_told_in_its_place(python_direct: Target, python_over_triton: Target) -> None:
    asked = [repeat(-2, parameters=LAST)]
    expected, got = python_direct.stream(asked), python_over_triton.stream(asked)
    assert [each.content for each in got] == [each.content for each in expected]
    assert [bool(each.message) for each in got] == [bool(each.message) for each in expected]
    assert "that is below zero" in got[2].message


def test_an_error_ends_the_stream_of_a_caller_that_wishes_so_and_spares_the_node(python_over_triton: Target) -> None:
    """A tritonserver that is asked to end a stream like that dies of it: 2.51 does."""
    *answers, end = python_over_triton.stream([repeat(-1)], ("triton_grpc_error", "true"))
    assert (len(answers), end.code) == (1, "INTERNAL")
    assert "that is below zero" in end.message
    assert [each.code for each in python_over_triton.stream([repeat(1)])] == ["", "OK"]


def test_a_caller_that_goes_away_costs_nobody_anything(python_over_triton: Target) -> None:
    for _ in range(20):
        call = python_over_triton.method("ModelStreamInfer", python_over_triton.channel.stream_stream)(
            iter([repeat(1000)]), metadata=tuple(python_over_triton.headers.items()), timeout=20
        )
        next(call)
        call.cancel()
    assert [each.code for each in python_over_triton.stream([repeat(2)])] == ["", "", "OK"]
