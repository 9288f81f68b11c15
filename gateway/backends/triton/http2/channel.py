"""Calls of one method of one node, over one connection at a time."""

import asyncio
from contextlib import suppress
from functools import partial

from grpc import StatusCode

from gateway.backends.triton.faults import NodeFault, fault_of
from gateway.backends.triton.http2.call import Call, NotTakenError
from gateway.backends.triton.http2.connection import Connection
from gateway.backends.triton.http2.headers import request_block

CONNECT_SECONDS = 2.0
CLOSED = "the connection was closed"
MOST_CONNECTIONS = 3  # that one call tries, while servers go away without having looked at it


class Channel:
    """A connection to a node, made when it is first needed and anew when it has gone. No call waits for a lost node.

    Args:
        address: `host:port`, or `[host]:port`.
        path: Of the method.
    """

    def __init__(self, address: str, path: str) -> None:
        self._address = address
        self._block = request_block(address, path)
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._connections: set[Connection] = set()
        self._closed = False

    async def call(self, request: bytes, timeout_seconds: float | None, context: str = "") -> bytes:
        """Sends a serialised request; returns the serialised response.

        Raises:
            NodeFault: There is none.
        """
        loop = asyncio.get_running_loop()
        deadline = None if timeout_seconds is None else loop.time() + timeout_seconds
        for _ in range(MOST_CONNECTIONS):
            connection = self._connection
            if connection is None or not connection.usable:
                connection = await self._connect(deadline)
            remaining = None if deadline is None else deadline - loop.time()
            call = Call(self._block, request, remaining, context)
            connection.start(call, deadline)
            try:
                return await call.answer
            except NotTakenError:
                continue
            except asyncio.CancelledError:
                connection.cancel(call)
                raise
        raise fault_of(StatusCode.UNAVAILABLE, "the node takes no calls")

    def begin(self, request: bytes, timeout_seconds: float | None, context: str = "") -> asyncio.Future[bytes]:
        """Sends a serialised request at once, if there is a connection; returns what gets the serialised response.

        It fails with `NodeFault`, or with `NotTakenError` if the server went away without having looked at the request,
        which may then be sent again. To cancel it tells the server.
        """
        connection = self._connection
        if connection is None or not connection.usable:
            return asyncio.ensure_future(self.call(request, timeout_seconds, context))
        deadline = None if timeout_seconds is None else asyncio.get_running_loop().time() + timeout_seconds
        call = Call(self._block, request, timeout_seconds, context)
        call.answer.add_done_callback(partial(tell_if_cancelled, connection, call))
        connection.start(call, deadline)
        return call.answer

    def give_up(self, problem: str) -> None:
        """Ends every connection; calls under way fail."""
        if self._connecting is not None:
            self._connecting.cancel()
        for connection in list(self._connections):
            connection.abort(problem)

    async def close(self) -> None:
        """Ends every connection, and waits until they have ended; there will be no other."""
        self._closed = True
        ending = [connection.lost for connection in self._connections]
        self.give_up(CLOSED)
        await asyncio.gather(*ending)
        if self._connecting is not None:
            with suppress(asyncio.CancelledError, NodeFault):
                await self._connecting

    async def _connect(self, deadline: float | None) -> Connection:
        """Waits for a new connection; all who need one wait for the same.

        Raises:
            NodeFault: There is none, or not in time.
        """
        if self._closed:
            raise fault_of(StatusCode.UNAVAILABLE, CLOSED)
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._open())
            self._connecting.add_done_callback(look_at)
        connecting = self._connecting
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(connecting)
        except TimeoutError:
            raise fault_of(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if connecting.cancelled() and not (task is not None and task.cancelling()):
                raise fault_of(StatusCode.UNAVAILABLE, "the node stopped answering") from None
            raise

    async def _open(self) -> Connection:
        """Makes a connection.

        Raises:
            NodeFault: It cannot be made.
        """
        host, _, port = self._address.rpartition(":")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._connections.discard), host.strip("[]"), int(port)
                )
        except OSError as error:  # TimeoutError is one
            raise fault_of(StatusCode.UNAVAILABLE, str(error) or "it takes too long to connect") from None
        finally:
            self._connecting = None
        if not connection.lost.done():
            self._connections.add(connection)
        self._connection = connection
        return connection


def tell_if_cancelled(connection: Connection, call: Call, answer: asyncio.Future[bytes]) -> None:
    """Tells the server that nobody awaits an answer any more."""
    if answer.cancelled():
        connection.cancel(call)


def look_at(task: asyncio.Task[Connection]) -> None:
    """Takes note of how it ended: perhaps all who waited for it have gone."""
    if not task.cancelled():
        task.exception()
