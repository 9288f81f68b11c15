"""Batches go out as Triton expects them, and come back only if they are what the signature says."""

import struct

import pytest
from tritonclient.grpc import service_pb2

from gateway.backends.triton.wire import decode_response, encode_request
from gateway.errors import ModelFailed
from gateway.protowire import LARGE_BYTES
from gateway.types import Tensors, TensorSpec
from tests.gateway.models import version

SERVED = version(
    inputs=(TensorSpec("x", "FP32", (-1,)), TensorSpec("s", "BYTES", (1,))),
    outputs=(TensorSpec("y", "FP32", (-1,)), TensorSpec("t", "BYTES", (1,))),
)
TEXTS = b"\x01\x00\x00\x00a\x02\x00\x00\x00bc"


def response(width: int = 2, *, rows: int = 2, datatype: str = "FP32", missing: int = 0) -> bytes:
    """Returns a response in the order that Triton happened to choose."""
    message = service_pb2.ModelInferResponse(model_name="m", model_version="1")
    message.outputs.add(name="t", datatype="BYTES", shape=[rows, 1])
    message.outputs.add(name="y", datatype=datatype, shape=[rows, width])
    message.raw_output_contents.extend([TEXTS, bytes(rows * width * 4 - missing)])
    return bytes(message.SerializeToString())


def test_a_request_is_what_tritons_own_client_would_send() -> None:
    numbers = struct.pack("<6f", *range(6))
    request = service_pb2.ModelInferRequest.FromString(
        encode_request(SERVED, Tensors(2, ((3,), (1,)), (memoryview(numbers), TEXTS)))
    )
    expected = service_pb2.ModelInferRequest(
        model_name="team9_test", model_version="1", raw_input_contents=[numbers, TEXTS]
    )
    expected.inputs.add(name="x", datatype="FP32", shape=[2, 3])
    expected.inputs.add(name="s", datatype="BYTES", shape=[2, 1])
    expected.outputs.add(name="y")
    expected.outputs.add(name="t")
    assert request == expected


@pytest.mark.parametrize("width", [2, LARGE_BYTES])
def test_outputs_are_put_in_the_signatures_order(width: int) -> None:
    outputs = decode_response(SERVED, 2, response(width))
    assert (outputs.rows, outputs.shapes) == (2, ((width,), (1,)))
    assert [len(data) for data in outputs.data] == [2 * width * 4, len(TEXTS)]


@pytest.mark.parametrize(
    "message",
    [response(rows=3), response(datatype="FP64"), response(missing=1), b"\xff\xff", b"", response(LARGE_BYTES)[:-1]],
)
def test_anything_else_is_a_fault_of_the_model(message: bytes) -> None:
    with pytest.raises(ModelFailed, match="answered 2 rows with something else"):
        decode_response(SERVED, 2, message)
