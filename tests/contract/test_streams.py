"""`ModelStreamInfer` tells what Triton's tells, message by message."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.cases import ROW, failing_request, infer, matrix, set_parameters
from tests.contract.targets import Target, seen

NARROW = infer("matrix", ("X", "FP32", [1, 2], ROW[:8]), id="narrow")
UNKNOWN = infer("nope", id="unknown")


def final(name: str, value: object) -> Any:
    """Returns a good request that says whether it wants an empty last answer."""
    request = matrix(id=name)
    set_parameters(request.parameters, {"triton_enable_empty_final_response": value})
    return request


STREAMS: dict[str, list[Any]] = {
    "nothing": [],
    "one": [matrix(id="a")],
    "in the order of the requests": [matrix(id=str(number)) for number in range(300)],
    "errors in their places": [matrix(id="a"), NARROW, UNKNOWN, matrix(id="b")],
    "an error first, and no ids": [infer("nope", id=""), matrix(id="")],
    "several models": [matrix(id="a"), infer("classes", ("X", "FP32", [1, 4], ROW + ROW[:4]), id="b"), matrix(id="c")],
    "a version that is no number": [infer("versions", id="v", model_version="abc"), matrix(id="a")],
    "an empty last answer": [final("a", True), final("b", False), final("c", 1)],  # noqa: FBT003 - values of a parameter
    "a reserved parameter": [infer("matrix", parameters={"triton_x": 1}, id="p"), matrix(id="a")],
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_answered_as_triton_does(direct: Target, served: Target, name: str) -> None:
    assert seen(served.stream(STREAMS[name])) == seen(direct.stream(STREAMS[name]))


@pytest.mark.parametrize("wish", ["true", "false", "True", "1"])
def test_a_refused_request_never_ends_a_stream(direct: Target, served: Target, wish: str) -> None:
    asked = [matrix(id="a"), NARROW, UNKNOWN, matrix(id="b")], ("triton_grpc_error", wish)
    assert seen(served.stream(*asked)) == seen(direct.stream(*asked))


def test_a_failing_model_is_told_in_its_place(direct: Target, served: Target) -> None:
    asked = [failing_request("f"), matrix(id="a")]
    expected, got = direct.stream(asked), served.stream(asked)
    assert [each.content for each in got] == [each.content for each in expected]
    assert "divisible" in got[0].message or "reshaped" in got[0].message
    assert got[-1].code == "OK"


def test_a_failing_model_ends_the_stream_of_a_caller_that_wishes_so(direct: Target, served: Target) -> None:
    asked = [failing_request("f")], ("triton_grpc_error", "true")
    assert (
        [each.code for each in direct.stream(*asked)] == [each.code for each in served.stream(*asked)] == ["INTERNAL"]
    )


def test_answers_come_before_the_stream_is_closed(served: Target) -> None:
    told = threading.Event()

    def requests() -> Iterator[Any]:
        yield matrix(id="first")
        assert told.wait(10)
        yield matrix(id="second")

    call = served.method("ModelStreamInfer", served.channel.stream_stream)(
        requests(), metadata=tuple(served.headers.items()), timeout=20
    )
    assert b"first" in next(call)
    told.set()
    assert b"second" in next(call)


def test_callers_without_a_key_get_no_stream(served: Target) -> None:
    stranger = Target("stranger", served.address, served.channel, {}, {})
    assert [each.code for each in stranger.stream([matrix()])] == ["UNAUTHENTICATED"]
