"""The listener on `pygrpc-native`, for trusted networks alone.

Its front, 0.5.0, has no limit for what it decodes: it allocates what a caller claims to send, looks at no size before
a message is whole, and unpacks what is compressed. So whoever can connect can end the process. It listens on a unix
socket that nobody but its own user may connect to, or on a loopback address, unless the operator says that the network
is trusted; a proxy that limits requests, such as Envoy with its buffer filter, stands before it.

Methods with a stream of requests, and whatever is not in the table when it starts, go through the front to a grpcio
server on a private unix socket: they work, but are no faster.

What a caller sees differently from the listener on grpcio, because the front decides it: a call without any message
is INTERNAL rather than INVALID_ARGUMENT; too much metadata is HTTP's 431, which clients show as UNKNOWN; a connection
is not told to go away when the gateway stops, its calls are refused one by one.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

import grpc

from gateway.addresses import clear_socket, in_use, is_loopback, parse_address
from gateway.edge.calls import Sender, Traffic
from gateway.edge.endpoints import Table
from gateway.edge.grpcio import GrpcioListener
from gateway.edge.native.desk import Desk
from gateway.errors import ConfigurationError
from gateway.interfaces import Endpoint, Telemetry

if TYPE_CHECKING:
    from pygrpc_native import NativeGrpcFront

MOST_A_BURST = 4096

# The receiver asks for the interpreter's lock this often, rather than every 5 ms: a burst that the loop has not seen
# can neither be begun in turn nor refused. At five times the load that a model can answer it answers twice as much.
SWITCH_SECONDS = 0.0005

# One carries more calls than one interpreter answers; on two cores a second made no difference beyond noise.
IO_THREADS = 1
PRIVATE = 0o077
CANCEL_SECONDS = 1


class NativeListener:
    """Serves the endpoints of a table that may be replaced while it serves.

    Nothing of it exists before `start`: neither the front nor grpcio survives a fork.

    Args:
        address: `host:port` of a loopback address, or `unix:/path`.
        table: Returns the live table.
        services: Add further servicers, such as health and reflection, to a grpcio server.
        max_message_bytes: Largest message accepted; larger ones are refused once they are here.
        telemetry: Knows what becomes of calls.
        traffic: Counts the calls under way, and says how many may be.
        trusted_network: Whether to listen on any address, and on a socket that any user may connect to.
        caller_of: Names the caller that somebody seems to be, quickly: callers have turns, and those of one name one.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a listener is made of
        self,
        address: str,
        table: Callable[[], Table],
        services: Callable[[grpc.aio.Server], None],
        max_message_bytes: int,
        telemetry: Telemetry,
        traffic: Traffic | None = None,
        *,
        trusted_network: bool = False,
        caller_of: Callable[[Sender], str] | None = None,
    ) -> None:
        self._address = address
        self._table = table
        self._services = services
        self._most_bytes = max_message_bytes
        self._telemetry = telemetry
        self._traffic = traffic or Traffic()
        self._trusted = trusted_network
        self._caller_of = caller_of
        self._place: tuple[str, int] | Path = Path()

    async def start(self) -> str:
        """Starts to listen; returns the bound address.

        Raises:
            ConfigurationError: The address cannot be bound, or is open to others; or `pygrpc-native` is not installed.
        """
        self._place = self._checked_place()
        paths = [path for path, endpoint in self._table().items() if isinstance(endpoint, Endpoint)]
        self._front = self._bind(paths)
        self._folder = TemporaryDirectory(prefix="gapura-")
        socket = f"{self._folder.name}/fallback"
        self._fallback = GrpcioListener(
            f"unix:{socket}", self._table, self._services, self._most_bytes, self._telemetry, self._traffic
        )
        await self._fallback.start()
        self._front.set_fallback(socket)
        self._desk = Desk(
            self._front, paths, self._table, self._traffic, self._most_bytes, self._telemetry, self._caller_of
        )
        self._front.start()
        sys.setswitchinterval(SWITCH_SECONDS)
        self._receiver = Thread(
            target=receive, args=(self._front, asyncio.get_running_loop(), self._desk), name="native", daemon=True
        )
        self._receiver.start()
        if isinstance(self._place, Path):
            return self._address
        return f"{self._address.rpartition(':')[0]}:{self._front.bound_port}"

    async def stop(self, grace_seconds: float) -> None:
        """Answers calls until none has come for a moment, at most half of `grace_seconds`, then refuses new ones.

        Calls under way have the other half to finish.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + grace_seconds
        await self._traffic.settle(end - grace_seconds / 2)
        self._desk.close()
        await asyncio.gather(self._traffic.finish(end), self._fallback.stop(max(end - clock(), 0)))
        self._desk.cancel()
        await self._traffic.finish(clock() + CANCEL_SECONDS)
        await asyncio.to_thread(self._end)

    def _checked_place(self) -> tuple[str, int] | Path:
        place = parse_address(self._address)
        if isinstance(place, Path):
            clear_socket(place)
        elif not (self._trusted or is_loopback(place[0])):
            raise ConfigurationError(
                f"the native listener does not listen on {self._address}, since one caller could end it: listen on"
                " 127.0.0.1 or unix:/path and put a proxy before it, or choose GAPURA_LISTENER=grpcio;"
                " GAPURA_TRUSTED_NETWORK=true if nobody else can reach the address"
            )
        return place

    def _bind(self, paths: list[str]) -> "NativeGrpcFront":
        try:
            from pygrpc_native import NativeGrpcFront  # noqa: PLC0415 - an extra that most do not install
        except ImportError as error:
            raise ConfigurationError("the native listener is an extra: pip install 'gapura[native]'") from error
        try:
            with private_files(private=not self._trusted):
                return NativeGrpcFront(
                    self._address,
                    [(path, False) for path in paths],
                    io_threads=IO_THREADS,
                    call_details=True,
                    keepalive_permit_without_calls=False,
                    # Those who open too many are told so, rather than left to wait for HTTP/2's leave.
                    max_concurrent_streams=2 * self._traffic.most,
                )
        except OSError as error:
            raise in_use(self._address) from error

    def _end(self) -> None:
        """Closes everything; it blocks for a moment."""
        self._front.close()
        self._receiver.join()
        self._folder.cleanup()
        if isinstance(self._place, Path):
            self._place.unlink(missing_ok=True)


def receive(front: "NativeGrpcFront", loop: asyncio.AbstractEventLoop, desk: Desk) -> None:
    """Hands every burst to the loop, in a thread of its own, until the front is closed: one wake-up for each burst."""
    while (events := front.recv_batch_details(MOST_A_BURST)) is not None:
        try:
            loop.call_soon_threadsafe(desk.take, events, monotonic())
        except RuntimeError:  # the loop was closed and nobody stopped the listener
            front.close()
            return


@contextmanager
def private_files(*, private: bool) -> Iterator[None]:
    """Lets nobody but this user open the files that are made meanwhile."""
    before = os.umask(PRIVATE) if private else None
    try:
        yield
    finally:
        if before is not None:
            os.umask(before)
