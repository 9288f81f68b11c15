"""Tensors of KServe requests, for signatures that the credit model does not have."""

import struct
from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from gateway.edge.kserve.contents import MOST_ELEMENTS
from gateway.edge.kserve.infer import TensorMethod
from gateway.errors import InvalidRequest
from gateway.tensors import element
from gateway.types import Arm, ModelVersion, Tensors, TensorSpec
from tests.gateway.models import version

TEXTS = version((TensorSpec("text", "BYTES", (-1,)), TensorSpec("n", "INT8", (1,))))
WHOLE = version((TensorSpec("x", "FP32", (2, 3)),), max_batch_size=0)


def request(*tensors: tuple[str, str, list[int], bytes], **fields: Any) -> Any:
    """Returns a request with raw tensors."""
    made = service_pb2.ModelInferRequest(**fields)
    for name, datatype, shape, data in tensors:
        made.inputs.add(name=name, datatype=datatype, shape=shape)
        made.raw_input_contents.append(data)
    return made


def rows(asked: Any, served: ModelVersion) -> Tensors:
    """Returns the inputs that a request becomes."""
    method = TensorMethod()
    return method.rows(method.parse(asked.SerializeToString()), Arm("champion", served))[0]


def test_inputs_come_in_the_order_of_the_signature() -> None:
    texts = element(b"a") + element("ö".encode())
    asked = request(("n", "INT8", [1, 1], b"\x07"), ("text", "BYTES", [1, 2], texts))
    assert rows(asked, TEXTS) == Tensors(1, ((2,), (1,)), (texts, b"\x07"))


def test_a_model_without_batch_dimension_takes_its_tensors_whole() -> None:
    assert rows(request(("x", "FP32", [2, 3], bytes(24))), WHOLE) == Tensors(1, ((2, 3),), (bytes(24),))


def test_typed_contents_are_packed_in_their_datatype() -> None:
    made = service_pb2.ModelInferRequest()
    made.inputs.add(name="text", datatype="BYTES", shape=[1, 1]).contents.bytes_contents.append(b"hi")
    made.inputs.add(name="n", datatype="INT8", shape=[1, 1]).contents.int_contents.append(-3)
    assert rows(made, TEXTS).data == (element(b"hi"), struct.pack("b", -3))
    made.inputs[1].contents.int_contents[0] = 300
    assert rows(made, TEXTS).data[1] == struct.pack("b", 44)  # its low byte, as in Triton


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        (
            [("text", "BYTES", [1, 1], b""), ("n", "INT8", [1, 1], b"\x01")],
            "expected 1 string elements for inference input 'text'",
        ),
        ([("text", "BYTES", [1, 2**40], b"x"), ("n", "INT8", [1, 1], b"\x01")], "incomplete string length indicator"),
        ([("text", "BYTES", [1, -1], b""), ("n", "INT8", [1, 1], b"\x01")], "All input dimensions should be specified"),
        ([("text", "BYTES", [2, 1], b""), ("n", "INT8", [1, 1], b"\x01")], "batch size does not match other inputs"),
        ([("n", "INT8", [1, 1], b"\x01"), ("n", "INT8", [1, 1], b"\x01")], "input 'n' already exists in request"),
        ([("n", "INT8", [1, 1], b"\x01"), ("N", "INT8", [1, 1], b"\x01")], "unexpected inference input 'N'"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tensors: list[tuple[str, str, list[int], bytes]], problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        rows(request(*tensors), TEXTS)


@pytest.mark.parametrize("count", [MOST_ELEMENTS, MOST_ELEMENTS + 1])
def test_texts_are_bounded_in_number(count: int) -> None:
    asked = request(("text", "BYTES", [1, count], bytes(4 * count)), ("n", "INT8", [1, 1], b"\x01"))
    if count <= MOST_ELEMENTS:
        assert rows(asked, TEXTS).shapes[0] == (count,)
    else:
        with pytest.raises(InvalidRequest, match=f"send {MOST_ELEMENTS} at most in one tensor"):
            rows(asked, TEXTS)


@pytest.mark.parametrize("field", ["bytes_contents", "int_contents"])
def test_typed_contents_are_bounded_in_number(field: str) -> None:
    made = service_pb2.ModelInferRequest()
    values: dict[str, list[Any]] = {"bytes_contents": [b""], "int_contents": [1]}
    for name, datatype, of in (("text", "BYTES", "bytes_contents"), ("n", "INT8", "int_contents")):
        count = MOST_ELEMENTS + 1 if of == field else 1
        tensor = made.inputs.add(name=name, datatype=datatype, shape=[1, count])
        getattr(tensor.contents, of).extend(values[of] * count)
    with pytest.raises(InvalidRequest, match="typed contents: send raw_input_contents"):
        rows(made, TEXTS)


def test_a_large_tensor_is_taken_and_given_without_a_copy() -> None:
    wide, data = version((TensorSpec("x", "FP32", (-1,)),), (TensorSpec("x", "FP32", (-1,)),)), bytes(4 * 65_536)
    method, arm = TensorMethod(), Arm("champion", wide)
    message = request(("x", "FP32", [1, 65_536], data), id="a").SerializeToString()
    asked = method.parse(message)
    inputs = method.rows(asked, arm)[0]
    assert isinstance(inputs.data[0], memoryview)
    assert inputs.data[0].obj is message
    answer = method.answer(asked, {}, inputs, arm)
    expected = service_pb2.ModelInferResponse(
        model_name=wide.model, model_version="1", id="a", raw_output_contents=[data]
    )
    expected.outputs.add(name="x", datatype="FP32", shape=[1, 65_536])
    assert answer == expected.SerializeToString()


@pytest.mark.parametrize("size", [70_000, 10])
def test_bytes_that_are_no_request_are_refused(size: int) -> None:
    with pytest.raises(InvalidRequest, match="the bytes are not an inference.ModelInferRequest"):
        TensorMethod().parse(b"\xff" * size)
