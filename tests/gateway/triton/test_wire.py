"""Batches go out as Triton expects them, and come back only if they are what the signature says."""

import struct

import pytest
from tritonclient.grpc import service_pb2

from gateway.backends.triton.wire import ResponseReader, decode_response, decode_streamed, encode_request
from gateway.errors import ModelFailed
from gateway.protowire import LARGE_BYTES
from gateway.types import Tensors, TensorSpec, Terms
from tests.gateway.models import version

SERVED = version(
    inputs=(TensorSpec("x", "FP32", (-1,)), TensorSpec("s", "BYTES", (1,))),
    outputs=(TensorSpec("y", "FP32", (-1,)), TensorSpec("t", "BYTES", (1,))),
)
INPUTS = Tensors(2, ((3,), (1,)), (bytes(24), bytes(8)))
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
    outputs = decode_response(SERVED, INPUTS, response(width))
    assert (outputs.rows, outputs.shapes) == (2, ((width,), (1,)))
    assert [len(data) for data in outputs.data] == [2 * width * 4, len(TEXTS)]


@pytest.mark.parametrize(
    "message",
    [response(rows=3), response(datatype="FP64"), response(missing=1), b"\xff\xff", b"", response(LARGE_BYTES)[:-1]],
)
def test_anything_else_is_a_fault_of_the_model(message: bytes) -> None:
    with pytest.raises(ModelFailed, match="answered 2 rows with something else"):
        decode_response(SERVED, INPUTS, message)


def test_terms_go_out_with_a_request_and_only_what_is_wanted_comes_back() -> None:
    own = service_pb2.ModelInferRequest(id="7")
    own.parameters["threshold"].double_param = 0.5
    inputs = INPUTS._replace(terms=Terms((1,), own.SerializeToString()))
    request = service_pb2.ModelInferRequest.FromString(encode_request(SERVED, inputs))
    assert [output.name for output in request.outputs] == ["t"]
    assert (request.id, request.parameters) == ("7", own.parameters)
    outputs = decode_response(SERVED, inputs, response())
    assert outputs == Tensors(2, ((1,),), (TEXTS,), Terms((1,)))


def test_the_parameters_of_a_response_come_back_whole() -> None:
    message = service_pb2.ModelInferResponse.FromString(response())
    message.parameters["calibration"].string_param = "isotonic"
    outputs = decode_response(SERVED, INPUTS, message.SerializeToString())
    told = service_pb2.ModelInferResponse.FromString(outputs.terms.parameters)
    assert told == service_pb2.ModelInferResponse(parameters=message.parameters)


def test_one_of_several_responses_may_have_any_outputs_and_rows() -> None:
    some = service_pb2.ModelInferResponse()
    some.outputs.add(name="t", datatype="BYTES", shape=[2, 1])
    some.raw_output_contents.append(TEXTS)
    assert decode_streamed(SERVED, some) == Tensors(2, ((1,),), (TEXTS,), Terms((1,)))
    assert decode_streamed(SERVED, service_pb2.ModelInferResponse()) == Tensors(0, (), ())
    some.outputs[0].name = "other"
    with pytest.raises(ModelFailed, match="sent a response with something else"):
        decode_streamed(SERVED, some)


@pytest.mark.parametrize("names", [["y", "z"], ["z", "y"]])
def test_responses_that_repeat_are_read_like_the_first(names: list[str]) -> None:
    served = version(outputs=(TensorSpec("y", "FP32", (1,)), TensorSpec("z", "FP32", (1,))))
    reader, inputs = ResponseReader(), Tensors(2, ((2,),), (bytes(16),))
    for value in range(3):
        message = service_pb2.ModelInferResponse(model_name="m")
        for name in names:
            message.outputs.add(name=name, datatype="FP32", shape=[2, 1])
            message.raw_output_contents.append(bytes([value, ord(name)]) * 4)
        read = reader.read(served, inputs, message.SerializeToString())
        assert read == decode_response(served, inputs, message.SerializeToString())
        with pytest.raises(ModelFailed):
            reader.read(served, inputs._replace(rows=3), message.SerializeToString())


def test_parameters_of_responses_are_read_every_time() -> None:
    reader, served, inputs = ResponseReader(), version(), Tensors(1, ((2,),), (bytes(8),))
    for name in ("", "a", "", "b", "b"):
        message = service_pb2.ModelInferResponse(model_name="m", raw_output_contents=[bytes(8)])
        message.outputs.add(name="y", datatype="FP32", shape=[1, 2])
        if name:
            message.parameters[name].bool_param = True
        read = reader.read(served, inputs, message.SerializeToString())
        assert read == decode_response(served, inputs, message.SerializeToString())
        assert bool(read.terms.parameters) == bool(name)
