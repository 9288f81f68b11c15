"""Cutting a field out of a message gives what protobuf gives, without the copies."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from gateway.protowire import LARGE_BYTES, cut_field, encode_field, join_apart, parse_apart, read_varint, write_varint

RAW = 7


@given(st.text(max_size=20), st.lists(st.binary(max_size=300), max_size=4), st.lists(st.text(max_size=5), max_size=3))
def test_a_request_is_cut_into_its_tensors_and_the_rest(name: str, tensors: list[bytes], inputs: list[str]) -> None:
    request = service_pb2.ModelInferRequest(model_name=name, raw_input_contents=tensors)
    for each in inputs:
        request.inputs.add(name=each, shape=[1, -1], datatype="FP32")
    rest, values = cut_field(request.SerializeToString(), RAW)
    assert [bytes(value) for value in values] == tensors
    del request.raw_input_contents[:]
    assert service_pb2.ModelInferRequest.FromString(rest) == request


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_what_is_put_in_is_what_protobuf_writes(tensors: list[bytes]) -> None:
    head = service_pb2.ModelInferRequest(model_name="m").SerializeToString()
    written = b"".join((head, *encode_field(RAW, tensors)))
    assert written == service_pb2.ModelInferRequest(model_name="m", raw_input_contents=tensors).SerializeToString()


@given(st.integers(0, 2**64 - 1))
def test_numbers_come_back(value: int) -> None:
    assert read_varint(write_varint(value), 0) == (value, len(write_varint(value)))


def test_tensors_are_views_of_the_message() -> None:
    message = service_pb2.ModelInferRequest(raw_input_contents=[b"x" * 1000]).SerializeToString()
    _, (value,) = cut_field(message, RAW)
    assert value.obj is message


@given(st.binary(max_size=60))
def test_bytes_that_are_no_message_are_refused_and_never_worse(content: bytes) -> None:
    try:
        rest, values = cut_field(content, RAW)
    except DecodeError:
        return
    assert len(rest) + sum(map(len, values)) <= len(content)


@pytest.mark.parametrize(
    "content", [b"\x3a\x05abc", b"\x3a", b"\xff" * 11, b"\x3b", b"\x39abc", b"\x3a\xff\xff\xff\xff\x0f"]
)
def test_a_truncated_message_is_refused(content: bytes) -> None:
    with pytest.raises(DecodeError, match="the message ends|wire type"):
        cut_field(content, RAW)


def test_a_message_of_very_many_fields_is_refused_early() -> None:
    with pytest.raises(DecodeError, match="10000 fields"):
        cut_field(b"\x3a\x00" * 1_000_000, RAW)


@pytest.mark.parametrize("size", [10, LARGE_BYTES])
def test_large_and_small_messages_are_parsed_and_joined_alike(size: int) -> None:
    request = service_pb2.ModelInferRequest(model_name="m", raw_input_contents=[b"x" * size, b"y"])
    parsed, values = parse_apart(service_pb2.ModelInferRequest, request.SerializeToString(), "raw_input_contents")
    assert (parsed.model_name, [bytes(value) for value in values]) == ("m", [b"x" * size, b"y"])
    head = service_pb2.ModelInferRequest(model_name="m")
    assert join_apart(head, "raw_input_contents", values) == request.SerializeToString()
