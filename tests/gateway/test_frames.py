"""A request whose frame is known gets what it would have got otherwise, whatever came before it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from gateway.edge.kserve.infer import TensorMethod
from gateway.errors import GatewayError, InvalidRequest
from gateway.tensors import element
from gateway.types import Arm, Tensors, TensorSpec
from tests.gateway.models import version

INPUTS = (TensorSpec("a", "FP32", (2,)), TensorSpec("b", "INT8", (-1,)))
OUTPUTS = (TensorSpec("x", "INT64", (1,)), TensorSpec("y", "FP32", (-1,)))
SERVED, OTHER = version(INPUTS, OUTPUTS), version(INPUTS[:1], model="other")
TEXTS = version((INPUTS[0], TensorSpec("b", "BYTES", (-1,))), OUTPUTS)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draws requests that repeat, and some that nearly do."""
    rows, wide = draw(st.sampled_from([(1, 1), (1, 1), (1, 1), (2, 0)]))
    made = service_pb2.ModelInferRequest(model_name="m", id=draw(st.sampled_from(["", "", "", "7"])))
    datatype = draw(st.sampled_from(["INT8", "INT8", "BYTES"]))
    texts = element(b"t") * wide * rows if datatype == "BYTES" else bytes(wide * rows)
    tensors = [("a", "FP32", [rows, 2], bytes(8 * rows)), ("b", datatype, [rows, wide], texts)]
    for name, kind, shape, data in draw(st.sampled_from([tensors, tensors, tensors[::-1]])):
        made.inputs.add(name=name, datatype=kind, shape=shape)
        made.raw_input_contents.append(data)
    for name in draw(st.sampled_from([(), (), ("y",), ("y", "x"), ("z",)])):
        made.outputs.add(name=name)
    message = made.SerializeToString()
    if draw(st.booleans()):  # mostly something else in its contents, and now and then in what stands between them
        place = len(message) - 1 - draw(st.integers(0, min(len(message), 16) - 1))
        message = message[:place] + bytes([draw(st.integers(0, 64))]) + message[place + 1 :]
    return bytes(message + draw(st.sampled_from([b"", b"", b"", b"\x1a\x01i", b"\x3a\x00", b"\x3a"])))


def ask(method: TensorMethod, message: bytes, arm: Arm) -> tuple[object, ...]:
    """Returns what a request becomes and is answered, or what it is refused with."""
    try:
        request = method.parse(message)
        target = method.target(request)
        inputs, _ = method.rows(request, arm)
    except GatewayError as error:
        return error.reason, error.message
    wide = 1 + inputs.rows
    data = [bytes([inputs.rows]) * 8 * inputs.rows, bytes(4 * wide * inputs.rows)]
    kept = inputs.terms.outputs or range(len(arm.version.signature.outputs))
    shapes = [(1,), (wide,)]
    outputs = Tensors(inputs.rows, tuple(shapes[place] for place in kept), tuple(data[place] for place in kept))
    answer = method.answer(request, {}, outputs, arm) if arm.version is not OTHER else b""
    return target, inputs, answer


@settings(max_examples=300)
@given(st.lists(st.tuples(requests(), st.sampled_from([SERVED, SERVED, TEXTS, OTHER])), min_size=10, max_size=30))
def test_what_came_before_makes_no_difference(calls: list[tuple[bytes, object]]) -> None:
    warm = TensorMethod()
    for message, served in calls:
        arm = Arm("champion", served)  # type: ignore[arg-type] # drawn from versions
        assert ask(warm, message, arm) == ask(TensorMethod(), message, arm)


def test_a_request_that_comes_again_is_not_parsed_again() -> None:
    made = service_pb2.ModelInferRequest(model_name="m")
    made.inputs.add(name="a", datatype="FP32", shape=[1, 2])
    made.raw_input_contents.append(b"12345678")
    method, arm = TensorMethod(), Arm("champion", OTHER)
    first = method.parse(made.SerializeToString())
    assert first.frame is None
    method.rows(first, arm)
    made.raw_input_contents[0] = b"87654321"
    again = method.parse(made.SerializeToString())
    assert again.frame is not None
    assert method.rows(again, arm)[0].data == (b"87654321",)


def test_a_large_request_is_cut_into_views_of_what_came() -> None:
    wide = version((TensorSpec("a", "INT8", (-1,)),), max_batch_size=8)
    made = service_pb2.ModelInferRequest(model_name="m", raw_input_contents=[bytes(100_000)])
    made.inputs.add(name="a", datatype="INT8", shape=[1, 100_000])
    method, arm, message = TensorMethod(), Arm("champion", wide), made.SerializeToString()
    method.rows(method.parse(message), arm)
    (data,) = method.rows(method.parse(message), arm)[0].data
    assert isinstance(data, memoryview)
    assert data.obj is message


def test_an_answer_of_other_rows_is_packed_anew() -> None:
    made = service_pb2.ModelInferRequest(model_name="m", raw_input_contents=[bytes(8)])
    made.inputs.add(name="a", datatype="FP32", shape=[1, 2])
    method, arm, message = TensorMethod(), Arm("champion", OTHER), made.SerializeToString()
    for rows in (1, 1, 1, 2):
        request = method.parse(message)
        method.rows(request, arm)
        answer = method.answer(request, {}, Tensors(rows, ((2,),), (bytes(8 * rows),)), arm)
        assert service_pb2.ModelInferResponse.FromString(answer).outputs[0].shape == [rows, 2]


def test_texts_are_looked_at_every_time() -> None:
    made = service_pb2.ModelInferRequest(model_name="m", raw_input_contents=[bytes(8), element(b"t")])
    made.inputs.add(name="a", datatype="FP32", shape=[1, 2])
    made.inputs.add(name="b", datatype="BYTES", shape=[1, 1])
    method, arm = TensorMethod(), Arm("champion", TEXTS)
    method.rows(method.parse(made.SerializeToString()), arm)
    made.raw_input_contents[1] = b"\x09\0\0\0t"
    with pytest.raises(InvalidRequest, match="string"):
        method.rows(method.parse(made.SerializeToString()), arm)
