"""The small client, against grpcio's server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from benchmarks.measuring.framing import METHOD, frame
from benchmarks.measuring.http2 import (
    INVALID_ARGUMENT,
    OK,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    Connection,
    Reply,
    connect,
    encode,
    read_trailers,
)

METHOD_NAME = METHOD.rpartition("/")[2]


class Answers(grpc.GenericRpcHandler):
    """Answers with the message, or with the error that it names."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        assert handler_call_details.method == METHOD

        async def answer(message: bytes, context: Any) -> bytes:
            if message == b"refuse":
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much waits")
            if message == b"wrong":
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such thing")
            if message == b"metadata":
                return str(dict(context.invocation_metadata())["x-api-key"]).encode()
            return message

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    server = grpc.aio.server(options=[("grpc.max_concurrent_streams", 7)])
    server.add_generic_rpc_handlers((Answers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    opened = await connect(f"127.0.0.1:{port}", [("x-api-key", "secret")])
    yield opened
    opened.close()
    await server.stop(None)


async def ask(connection: Connection, *messages: bytes) -> list[Reply]:
    """Makes calls at once; returns how they ended, in the order of asking."""
    ended: list[asyncio.Future[Reply]] = [asyncio.get_running_loop().create_future() for _ in messages]
    for message, future in zip(messages, ended, strict=True):
        connection.call(frame(message), future.set_result)
    connection.flush()
    return await asyncio.wait_for(asyncio.gather(*ended), 30)


async def test_answer_comes_back(connection: Connection) -> None:
    assert await ask(connection, b"hello") == [Reply(OK, "", b"hello")]


async def test_headers_are_sent(connection: Connection) -> None:
    assert (await ask(connection, b"metadata"))[0].message == b"secret"


async def test_codes_are_told_apart(connection: Connection) -> None:
    refused, wrong = await ask(connection, b"refuse", b"wrong")
    assert refused == Reply(RESOURCE_EXHAUSTED, "too much waits", b"")
    assert (wrong.code, wrong.message) == (INVALID_ARGUMENT, b"")


async def test_more_calls_than_the_server_takes_at_once_wait_their_turn(connection: Connection) -> None:
    messages = [b"%d" % number * 100 for number in range(2_000)]
    assert [reply.message for reply in await ask(connection, *messages)] == messages


async def test_large_messages_pass_the_windows(connection: Connection) -> None:
    messages = [bytes([number]) * 30_000 for number in range(100)]
    assert [reply.message for reply in await ask(connection, *messages)] == messages


async def test_call_on_a_closed_connection_ends(connection: Connection) -> None:
    connection.close()
    assert (await ask(connection, b"hello"))[0].code == UNAVAILABLE


def test_trailers_without_status_are_an_error() -> None:
    assert read_trailers(encode([(":status", "503")])) == (UNAVAILABLE, "HTTP 503")
