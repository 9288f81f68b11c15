"""The listener on grpcio's asyncio server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc

from gateway.addresses import UNIX, clear_socket, in_use, parse_address
from gateway.calls import Call
from gateway.edge.callers import sender_of
from gateway.edge.calls import FAILURE_ENDS, Sender, Traffic, find, no_bytes, read_call, tell
from gateway.edge.endpoints import Table
from gateway.edge.status import code_of_leaving, number_of
from gateway.edge.tls import KEY, Tls
from gateway.errors import ConfigurationError, GatewayError, InvalidRequest
from gateway.interfaces import Endpoint, StreamEndpoint, Telemetry
from gateway.traces import CallTrace

MOST_PENDING = 100_000


class GrpcioListener:
    """Serves the endpoints of a table that may be replaced while it serves.

    Args:
        address: `host:port`, or `unix:/path`.
        table: Returns the live table.
        services: Add further servicers, such as health and reflection, to the server.
        max_message_bytes: Largest message accepted; larger ones are refused from their header alone.
        telemetry: Knows what becomes of calls.
        traffic: Counts the calls under way, and says how many may be.
        own_socket: A unix socket to listen on too, for workers that share the port of `address`: there this one alone
            is reached.
        tls: Files of TLS on `address`; `own_socket` goes without. With an authority of clients in it, a call has the
            certificate of its connection, whatever it says itself.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a listener is made of
        self,
        address: str,
        table: Callable[[], Table],
        services: Callable[[grpc.aio.Server], None],
        max_message_bytes: int,
        telemetry: Telemetry,
        traffic: Traffic | None = None,
        own_socket: Path | None = None,
        *,
        tls: Tls | None = None,
    ) -> None:
        self._address = address
        self._own_socket = own_socket
        self._tls = tls
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", max_message_bytes),
                ("grpc.so_reuseport", int(own_socket is not None)),
                # Core cancels calls beyond these without a word; lanes refuse what is too much, and say so.
                ("grpc.server.max_pending_requests", MOST_PENDING),
                ("grpc.server.max_pending_requests_hard_limit", MOST_PENDING),
            ],
        )
        services(self._server)
        self._traffic = traffic or Traffic()
        certified = tls is not None and tls.client_ca is not None
        self._server.add_generic_rpc_handlers((TableHandler(table, self._traffic, telemetry, certified=certified),))

    async def start(self) -> str:
        """Starts to listen; returns the bound address.

        Raises:
            ConfigurationError: The address cannot be bound, or a file of TLS not be used.
        """
        port = self._bind(self._address, self._tls)
        if self._own_socket is not None:
            self._bind(f"{UNIX}{self._own_socket}")
        await self._server.start()
        is_socket = self._address.startswith(UNIX)
        return self._address if is_socket else f"{self._address.rpartition(':')[0]}:{port}"

    async def stop(self, grace_seconds: float) -> None:
        """Answers calls until none has come for a moment, at most half of `grace_seconds`, then refuses new ones.

        Calls under way have the other half to finish. Stopping the server kills calls that it has received but not
        yet handed over; callers that do not follow health checks keep sending them until the connection closes.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + grace_seconds
        await self._traffic.settle(end - grace_seconds / 2)
        await self._server.stop(max(end - clock(), 0))

    def _bind(self, address: str, tls: Tls | None = None) -> int:
        """Binds an address, whose socket may be left of an earlier process; returns the port, if it has one."""
        place = parse_address(address)
        if isinstance(place, Path):
            clear_socket(place)
        credentials = None if tls is None else tls.credentials()
        try:
            if credentials is None:
                return int(self._server.add_insecure_port(address))
            return int(self._server.add_secure_port(address, credentials))
        except RuntimeError as error:
            if tls is None:
                raise in_use(address) from error
            raise ConfigurationError(f"{in_use(address)}; or grpcio knows no key such as {KEY}={tls.key}") from error


class TableHandler(grpc.GenericRpcHandler):
    """Hands calls of every path that no servicer has to the endpoints of the live table.

    Args:
        table: Returns the live table.
        traffic: Counts the calls.
        telemetry: Knows what becomes of them.
        certified: Whether a call has the certificate of its connection, rather than what its metadata say.
    """

    def __init__(self, table: Callable[[], Table], traffic: Traffic, telemetry: Telemetry, *, certified: bool) -> None:
        self._table = table
        self._traffic = traffic
        self._telemetry = telemetry
        self._certified = certified

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
        sender = sender_of(context, certified=self._certified)
        trace = self._begin(path, sender, perf_counter())
        message = await self._read(trace, context)
        try:
            self._traffic.enter()
        except GatewayError as error:
            return bytes(await self._abort(trace, context, error))
        try:
            call = take_call(trace, message, sender, context.time_remaining())
            answer = await find(self._table(), path, Endpoint).answer(call)
            if isinstance(answer, bytes):
                self._telemetry.end(trace)
                return answer
            fault: BaseException = no_bytes(answer)
        except (Exception, asyncio.CancelledError) as error:  # whatever it is, the caller is told what it should be
            if is_gone(error):
                self._telemetry.end(trace, code_of_leaving(trace.received, trace.deadline))
                raise
            fault = error
        finally:
            self._traffic.leave()
        return bytes(await self._abort(trace, context, fault))

    async def _read(self, trace: CallTrace, context: Any) -> Any:
        """Returns the message of a call."""
        try:
            return await context.read()
        except asyncio.CancelledError:
            remaining = context.time_remaining()
            deadline = None if remaining is None else perf_counter() + remaining
            self._telemetry.end(trace, code_of_leaving(trace.received, deadline))
            raise
        finally:
            trace.begun = perf_counter()

    def _begin(self, path: str, sender: Sender, received: float) -> CallTrace:
        """Begins to note a call, or a stream that is refused."""
        return self._telemetry.begin(path, received, sender.parent, sender.state)

    async def _abort(self, trace: CallTrace, context: Any, error: BaseException) -> Any:
        """Ends a call with its error."""
        told, status = tell(trace, error)
        self._telemetry.end(trace, number_of(status[0]), told)
        return await context.abort(*status)

    async def _stream(self, path: str, messages: AsyncIterator[bytes], context: Any) -> None:
        """Answers a stream; where the table is replaced, the new one's endpoint takes over with the next message.

        Its requests are counted one by one where they are answered; the stream itself is if it is refused.
        """
        received, sender = perf_counter(), sender_of(context, certified=self._certified)
        try:
            self._traffic.enter()
        except GatewayError as error:
            await self._abort(self._begin(path, sender, received), context, error)
        try:
            trace = CallTrace(path, received)
            trace.parent, trace.state = sender.parent or "", sender.state or ""
            call = take_call(trace, b"", sender, context.time_remaining())
            call = call._replace(ends_on_failure=(FAILURE_ENDS, "true") in metadata_of(context))
            source = Messages(messages, self._table)
            while not source.ended:
                endpoint = find(self._table(), path, StreamEndpoint)
                async with aclosing(endpoint.answer(call, source.of_live_table())) as responses:
                    async for response in responses:
                        await context.write(response)
        except (Exception, asyncio.CancelledError) as error:  # as above
            if is_gone(error):
                raise
            fault = error
        else:
            return
        finally:
            self._traffic.leave()
        await self._abort(self._begin(path, sender, received), context, fault)


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


def metadata_of(context: Any) -> list[tuple[str, Any]]:
    """Returns a call's metadata as pairs."""
    return [(name, value) for name, value in context.invocation_metadata()]


def take_call(trace: CallTrace, message: Any, sender: Sender, remaining: float | None) -> Call:
    """Takes what the stages need from a grpcio call.

    Args:
        trace: Where its way is noted.
        message: The request.
        sender: Who sent it.
        remaining: Seconds until the caller stops waiting, or None.

    Raises:
        InvalidRequest: The caller sent no message.
        DeadlineExceeded: The caller has stopped waiting.
    """
    if message is grpc.aio.EOF:
        raise InvalidRequest("MALFORMED_MESSAGE", "the call ended without a message; send one, which may be empty")
    now = asyncio.get_running_loop().time()
    return read_call(trace, message, sender, remaining, now)


def is_gone(error: BaseException) -> bool:
    """Says whether work has ended because its caller has gone, rather than because something else was cancelled."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
