"""A caller who looks at answers: through gRPC's own client, or over HTTP/1.1."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from typing import Any

import grpc.aio

from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.framing import PREFIX_BYTES

ANSWER_SECONDS = 30.0
HTTP_OK = 200
UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))

Ask = Callable[[bytes], Awaitable[bytes]]


class UnansweredError(Exception):
    """A call was not answered; the message says what came instead."""


@asynccontextmanager
async def open_caller(contestant: Contestant) -> AsyncIterator[Ask]:
    """Connects; yields what takes the body of a call and returns that of its answer, raising `UnansweredError`."""
    if contestant.grpc:
        async with open_channel(contestant) as channel:
            yield over_grpc(contestant, channel)
    else:
        host, _, port = contestant.address.rpartition(":")
        connection = HTTPConnection(host, int(port), timeout=ANSWER_SECONDS)
        try:
            yield over_http(contestant, connection)
        finally:
            connection.close()


def over_grpc(contestant: Contestant, channel: grpc.aio.Channel) -> Ask:
    """Returns what asks over a channel."""
    call: Any = channel.unary_unary(contestant.path)

    async def ask(body: bytes) -> bytes:
        try:
            return bytes(await call(body[PREFIX_BYTES:], metadata=contestant.headers, timeout=ANSWER_SECONDS))
        except grpc.aio.AioRpcError as error:
            raise UnansweredError(f"{error.code().name}: {error.details()}") from error

    return ask


def over_http(contestant: Contestant, connection: HTTPConnection) -> Ask:
    """Returns what asks over a connection, one call after the other."""

    def post(body: bytes) -> bytes:
        try:
            connection.request("POST", contestant.path, body, dict(contestant.headers))
            response = connection.getresponse()
            content = response.read()
        except OSError as error:
            connection.close()
            raise UnansweredError(str(error)) from error
        if response.status != HTTP_OK:
            raise UnansweredError(f"{response.status}: {content.decode(errors='replace')[:200]}")
        return content

    async def ask(body: bytes) -> bytes:
        return await asyncio.to_thread(post, body)

    return ask


def open_channel(contestant: Contestant) -> grpc.aio.Channel:
    """Opens a channel."""
    if contestant.authority is None:
        return grpc.aio.insecure_channel(contestant.address, UNLIMITED)
    trusted = grpc.ssl_channel_credentials(contestant.authority.read_bytes())
    return grpc.aio.secure_channel(contestant.address, trusted, UNLIMITED)
