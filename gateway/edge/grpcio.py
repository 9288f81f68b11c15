"""The listener on grpcio's asyncio server."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from typing import Any, TypeVar

import grpc
import structlog

from gateway.edge.endpoints import Table
from gateway.edge.status import wire_status
from gateway.errors import ConfigurationError, DeadlineExceeded, GatewayError, InvalidRequest, Unimplemented
from gateway.interfaces import Endpoint, StreamEndpoint
from gateway.types import Call

API_KEY = "x-api-key"
FAILURE_ENDS = "triton_grpc_error"
UNIX, ADDRESS = "unix:", re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})", re.ASCII)
MOST_PORT, MOST_PENDING = 65_535, 100_000
QUIET_SECONDS, LOOK_SECONDS = 0.25, 0.02

log = structlog.get_logger(__name__)

Kind = TypeVar("Kind", Endpoint, StreamEndpoint)


class GrpcioListener:
    """Serves the endpoints of a table that may be replaced while it serves.

    Args:
        address: `host:port`, or `unix:/path`.
        table: Returns the live table.
        services: Add further servicers, such as health and reflection, to the server.
        max_message_bytes: Largest message accepted; larger ones are refused from their header alone.
    """

    def __init__(
        self,
        address: str,
        table: Callable[[], Table],
        services: Callable[[grpc.aio.Server], None],
        max_message_bytes: int,
    ) -> None:
        self._address = address
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", max_message_bytes),
                ("grpc.so_reuseport", 0),
                # Core cancels calls beyond these without a word; lanes refuse what is too much, and say so.
                ("grpc.server.max_pending_requests", MOST_PENDING),
                ("grpc.server.max_pending_requests_hard_limit", MOST_PENDING),
            ],
        )
        services(self._server)
        self._traffic = Traffic()
        self._server.add_generic_rpc_handlers((TableHandler(table, self._traffic),))

    async def start(self) -> str:
        """Starts to listen; returns the bound address.

        Raises:
            ConfigurationError: The address cannot be bound.
        """
        parsed = ADDRESS.fullmatch(self._address)
        if not self._address.startswith(UNIX) and (parsed is None or int(parsed[1]) > MOST_PORT):
            raise ConfigurationError(
                f"'{self._address}' is no address: write host:port, such as 127.0.0.1:9003, or unix:/path"
            )
        try:
            port = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise ConfigurationError(
                f"cannot listen on {self._address}: it is in use or not an address of this machine; choose another",
            ) from error
        await self._server.start()
        return self._address if self._address.startswith(UNIX) else f"{self._address.rpartition(':')[0]}:{port}"

    async def stop(self, grace_seconds: float) -> None:
        """Answers calls until none has come for a moment, at most half of `grace_seconds`, then refuses new ones.

        Calls under way have the other half to finish. Stopping the server kills calls that it has received but not
        yet handed over; callers that do not follow health checks keep sending them until the connection closes.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + grace_seconds
        while clock() < end - grace_seconds / 2 and not self._traffic.quiet_since(clock() - QUIET_SECONDS):
            await asyncio.sleep(LOOK_SECONDS)
        await self._server.stop(max(end - clock(), 0))


@dataclass(slots=True)
class Traffic:
    """Calls under way, and when the last one came, in seconds of the event loop's clock."""

    active: int = 0
    last: float = 0

    def quiet_since(self, time: float) -> bool:
        """Says whether no call is under way and none has come since a time."""
        return not self.active and self.last < time


class TableHandler(grpc.GenericRpcHandler):
    """Hands calls of every path that no servicer has to the endpoints of the live table."""

    def __init__(self, table: Callable[[], Table], traffic: Traffic) -> None:
        self._table = table
        self._traffic = traffic

    def service(self, handler_call_details: Any) -> Any:
        """Returns the handler of a path: bytes in, bytes out."""
        path = handler_call_details.method
        if isinstance(self._table().get(path), StreamEndpoint):
            return grpc.stream_stream_rpc_method_handler(partial(self._stream, path))
        # It reads its one message itself: then it may answer callers that send none, and hold the message no longer
        # than it likes. That costs nothing over a handler of unary calls.
        return grpc.stream_unary_rpc_method_handler(partial(self._answer, path))

    async def _answer(self, path: str, messages: AsyncIterator[bytes], context: Any) -> bytes:  # noqa: ARG002 - read by hand
        """Answers a call once its message is here; the table is looked at now, since it may have been replaced."""
        message = await context.read()
        self._traffic.active += 1
        self._traffic.last = asyncio.get_running_loop().time()
        try:
            return await find(self._table(), path, Endpoint).answer(read_call(message, context))
        except GatewayError as error:
            refusal = error
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told nothing of it
            refusal = unexpected(path, error)
        finally:
            self._traffic.active -= 1
        return bytes(await context.abort(*wire_status(refusal)))

    async def _stream(self, path: str, messages: AsyncIterator[bytes], context: Any) -> None:
        """Answers a stream; where the table is replaced, the new one's endpoint takes over with the next message."""
        self._traffic.active += 1
        self._traffic.last = asyncio.get_running_loop().time()
        try:
            call = read_call(b"", context)._replace(ends_on_failure=(FAILURE_ENDS, "true") in metadata_of(context))
            source = Messages(messages, self._table)
            while not source.ended:
                endpoint = find(self._table(), path, StreamEndpoint)
                async with aclosing(endpoint.answer(call, source.of_live_table())) as responses:
                    async for response in responses:
                        await context.write(response)
        except GatewayError as error:
            refusal = error
        except Exception as error:  # noqa: BLE001 - as above
            refusal = unexpected(path, error)
        else:
            return
        finally:
            self._traffic.active -= 1
        await context.abort(*wire_status(refusal))


class Messages:
    """The messages of one stream, for one live table after the other.

    Args:
        messages: Yields them.
        table: Returns the live table.
    """

    def __init__(self, messages: AsyncIterator[bytes], table: Callable[[], Table]) -> None:
        self._messages = messages
        self._table = table
        self._held: list[bytes] = []
        self.ended = False

    async def of_live_table(self) -> AsyncIterator[bytes]:
        """Yields messages until the table is replaced; the one that came since is held for the next table."""
        table = self._table()
        while self._held:
            yield self._held.pop()
        async for message in self._messages:
            if self._table() is not table:
                self._held.append(message)
                return
            yield message
        self.ended = True


def find(table: Table, path: str, kind: type[Kind]) -> Kind:
    """Returns the endpoint of a path.

    Raises:
        Unimplemented: Nobody serves it as that kind of method.
    """
    endpoint = table.get(path)
    if isinstance(endpoint, kind):
        return endpoint
    raise unknown_method(path)


def unknown_method(path: str) -> Unimplemented:
    """The error of a path that nobody serves."""
    return Unimplemented(
        "METHOD_UNKNOWN", f"no method {path} is served; list those that are with gRPC reflection", method=path
    )


def metadata_of(context: Any) -> list[tuple[str, Any]]:
    """Returns a call's metadata as pairs."""
    return [(name, value) for name, value in context.invocation_metadata()]


def read_call(message: Any, context: Any) -> Call:
    """Takes what the stages need from a grpcio call.

    Raises:
        InvalidRequest: The caller sent no message.
        DeadlineExceeded: The caller has stopped waiting.
    """
    if message is grpc.aio.EOF:
        raise InvalidRequest("MALFORMED_MESSAGE", "the call ended without a message; send one, which may be empty")
    remaining = context.time_remaining()
    if remaining is not None and remaining <= 0:
        raise DeadlineExceeded("DEADLINE_EXCEEDED", "the deadline had passed when the call arrived; allow more time")
    api_key = None
    for name, value in context.invocation_metadata():
        if name == API_KEY:
            api_key = value
            break
    deadline = None if remaining is None else asyncio.get_running_loop().time() + remaining
    return Call(message, api_key, deadline)


def unexpected(path: str, error: Exception) -> GatewayError:
    """Logs a fault of ours once; the caller learns only where to find it."""
    incident = token_hex(4)
    log.error("unexpected error", method=path, incident=incident, exc_info=error)
    return GatewayError("INTERNAL", f"the gateway failed; its log has incident {incident}", incident=incident)
