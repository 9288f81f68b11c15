"""One message, one answer: what an endpoint is told of a call, and what a caller is told of its end."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gateway.calls import Call
from gateway.errors import InvalidFields, NotFound, Overloaded
from gateway.interfaces import Endpoint
from gateway.types import Priority
from tests.edge.conftest import BROKEN, ECHO, HELD, LARGE, MOST_BYTES, STREAM, Edge, listening

# The front of `native` answers these itself; Envoy resets streams whose headers are too large.
NO_MESSAGE = {
    "grpcio": grpc.StatusCode.INVALID_ARGUMENT,
    "native": grpc.StatusCode.INTERNAL,
    "envoy": grpc.StatusCode.INTERNAL,
}
LARGE_METADATA = {
    "grpcio": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "native": grpc.StatusCode.UNKNOWN,
    "envoy": grpc.StatusCode.INTERNAL,
}
# Envoy says so before it has seen the whole message, and does not know its size.
TOO_LARGE = {
    "grpcio": f"SERVER: Received message larger than max ({MOST_BYTES + 1} vs. {MOST_BYTES})",
    "native": f"SERVER: Received message larger than max ({MOST_BYTES + 1} vs. {MOST_BYTES})",
    "envoy": "the message is larger than the 1 MiB that are taken",
}


@pytest.mark.parametrize("message", [b"", b"x", bytes(range(256)) * 3000])
async def test_an_answer_is_what_the_endpoint_made_of_the_message(edge: Edge, message: bytes) -> None:
    assert await edge.unary(ECHO, message) == message


async def test_an_endpoint_is_told_key_and_deadline(edge: Edge) -> None:
    await edge.unary(ECHO, b"x", metadata=(("a", "b"), ("x-api-key", "k"), ("c-bin", b"\xff")), timeout=5)
    await edge.unary(ECHO, b"x")
    (first, second), now = edge.calls, asyncio.get_running_loop().time()
    assert first.api_key == "k"
    assert first.deadline is not None
    # gRPC rounds a timeout up on its way.
    assert 3 < first.deadline - now < 5.1
    assert (second.api_key, second.deadline) == (None, None)


async def test_an_expected_error_brings_its_details(edge: Edge) -> None:
    edge.error = InvalidFields([("age_years", "must be at least 18"), ("größe", "fehlt\n100%")])
    refused = await edge.refusal(edge.unary(BROKEN))
    assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.details() == edge.error.message
    details = status_of(refused)
    assert (details.code, details.message) == (3, edge.error.message)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert details.details[0].Unpack(info)
    assert details.details[1].Unpack(bad)
    assert (info.reason, info.domain) == ("INVALID_FIELD", "gapura")
    assert [each.field for each in bad.field_violations] == ["age_years", "größe"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("MODEL_UNKNOWN", "no"), grpc.StatusCode.NOT_FOUND),
        (Overloaded("QUEUE_FULL", "full", retry_after_ms=7), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (KeyError("secret"), grpc.StatusCode.INTERNAL),
        (asyncio.CancelledError(), grpc.StatusCode.INTERNAL),
        (NotFound("MODEL_UNKNOWN", "secret half of a character: \ud800"), grpc.StatusCode.INTERNAL),
    ],
)
async def test_whatever_an_endpoint_raises_its_caller_gets_a_code(
    edge: Edge, error: BaseException, code: grpc.StatusCode
) -> None:
    edge.error = error
    refused = await edge.refusal(edge.unary(BROKEN, timeout=5))
    assert refused.code() is code
    assert "secret" not in str(refused.details())


async def test_an_endpoint_that_raises_before_it_awaits_is_no_worse(edge: Edge) -> None:
    def fail(call: Call) -> Coroutine[Any, Any, bytes]:
        raise KeyError(call)

    edge.table = {ECHO: Endpoint(ECHO, fail)}
    assert (await edge.refusal(edge.unary(ECHO))).code() is grpc.StatusCode.INTERNAL


async def test_an_endpoint_whose_answer_is_no_bytes_fails(edge: Edge) -> None:
    edge.table = {ECHO: Endpoint(ECHO, lambda _: asyncio.sleep(0, "text"))}  # type: ignore[arg-type] # the point
    assert (await edge.refusal(edge.unary(ECHO, timeout=5))).code() is grpc.StatusCode.INTERNAL


async def test_an_unknown_method_is_named(edge: Edge) -> None:
    refused = await edge.refusal(edge.unary("/test.Edge/Nothing"))
    assert refused.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "/test.Edge/Nothing" in str(refused.details())
    assert status_of(refused).code == 12


async def test_a_method_that_the_table_loses_or_gains_is_gone_or_there(edge: Edge) -> None:
    new = "/test.Edge/New"
    edge.table = {new: Endpoint(new, lambda call: asyncio.sleep(0, bytes(call.message)))}
    assert await edge.unary(new, b"x") == b"x"
    assert (await edge.refusal(edge.unary(ECHO))).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_stream_of_messages_to_a_unary_method_counts_its_first(edge: Edge) -> None:
    assert await edge.channel.stream_unary(ECHO)(iter((b"a", b"b"))) == b"a"


async def test_a_call_without_a_message_is_refused(edge: Edge) -> None:
    refused = await edge.refusal(edge.channel.stream_unary(ECHO)(iter(())))
    assert refused.code() is NO_MESSAGE[edge.kind]


async def test_a_message_of_the_largest_size_passes_and_a_larger_one_does_not(edge: Edge) -> None:
    assert len(await edge.unary(LARGE, b"%d" % MOST_BYTES)) == MOST_BYTES
    assert len(await edge.unary(ECHO, bytes(MOST_BYTES))) == MOST_BYTES
    received = await edge.refusal(edge.unary(ECHO, bytes(MOST_BYTES + 1)))
    assert received.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert received.details() == TOO_LARGE[edge.kind]
    sent = await edge.refusal(edge.unary(LARGE, b"%d" % (MOST_BYTES + 1)))
    assert sent.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert sent.details() == f"SERVER: Sent message larger than max ({MOST_BYTES + 1} vs. {MOST_BYTES})"


async def test_metadata_of_6_kib_passes_and_of_20_kib_does_not(edge: Edge) -> None:
    assert await edge.unary(ECHO, b"x", metadata=(("k", "v" * 6000),)) == b"x"
    refused = await edge.refusal(edge.unary(ECHO, b"x", metadata=(("k", "v" * 20_000),)))
    assert refused.code() is LARGE_METADATA[edge.kind]
    assert await edge.unary(ECHO, b"x") == b"x"


async def test_a_call_ends_at_its_deadline_and_so_does_its_work(edge: Edge) -> None:
    for path in (HELD, STREAM):
        call = edge.unary(path, timeout=0.2) if path == HELD else edge.channel.stream_stream(path)(timeout=0.2)
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await edge.until(lambda: edge.cancelled == 1 and not edge.traffic.active)


async def test_a_call_that_its_caller_cancels_is_cancelled(edge: Edge) -> None:
    call = edge.unary(HELD)
    await edge.until(lambda: edge.begun == 1)
    call.cancel()
    await edge.until(lambda: edge.cancelled == 1 and not edge.traffic.active)


async def test_calls_beyond_the_bound_are_refused_and_told_when_to_come_back(kind: str) -> None:
    async with listening(kind, most=10) as edge:
        held = [edge.unary(HELD, b"x") for _ in range(10)]
        await edge.until(lambda: edge.begun == 10)
        refused = await edge.refusal(edge.unary(HELD))
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        retry = error_details_pb2.RetryInfo()
        assert status_of(refused).details[1].Unpack(retry)
        assert retry.retry_delay.ToMilliseconds() > 0
        assert await edge.channel.stream_stream(STREAM)(iter((b"x",))).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        edge.open.set()
        assert await asyncio.gather(*held) == [b"x"] * 10
        assert await edge.unary(HELD, b"y") == b"y"


def status_of(refused: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Returns the details that travel with a refusal."""
    metadata = refused.trailing_metadata()
    assert metadata is not None
    return status_pb2.Status.FromString(dict(metadata)["grpc-status-details-bin"])


async def test_a_call_may_ask_for_a_class(edge: Edge) -> None:
    await edge.unary(ECHO, b"x", metadata=(("x-priority", "low"),))
    await edge.unary(ECHO, b"x")
    assert [call.priority for call in edge.calls] == [Priority.LOW, None]
    with pytest.raises(grpc.aio.AioRpcError, match="choose high, normal, low") as refused:
        await edge.unary(ECHO, b"x", metadata=(("x-priority", "urgent"),))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
