"""Tensors of KServe requests, for signatures that the credit model does not have."""

import struct
from typing import Any

import pytest
from tritonclient.grpc import service_pb2

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
    return TensorMethod().rows(asked, Arm("champion", served))[0]


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
    with pytest.raises(InvalidRequest, match="signed char is greater than maximum"):
        rows(made, TEXTS)


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ([("text", "BYTES", [1, 1], b""), ("n", "INT8", [1, 1], b"\x01")], "0 bytes do not hold exactly 1 elements"),
        ([("text", "BYTES", [1, 2**40], b"x"), ("n", "INT8", [1, 1], b"\x01")], "do not hold exactly"),
        ([("text", "BYTES", [1, -1], b""), ("n", "INT8", [1, 1], b"\x01")], "unexpected shape"),
        ([("text", "BYTES", [2, 1], b""), ("n", "INT8", [1, 1], b"\x01")], "the same first dimension"),
        ([("n", "INT8", [1, 1], b"\x01"), ("n", "INT8", [1, 1], b"\x01")], "missing required input"),
        ([("n", "INT8", [1, 1], b"\x01"), ("N", "INT8", [1, 1], b"\x01")], "unexpected inference input 'N'"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tensors: list[tuple[str, str, list[int], bytes]], problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        rows(request(*tensors), TEXTS)
