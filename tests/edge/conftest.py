"""A listener of each kind over a table of small endpoints, and a channel to it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import grpc.aio
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from gateway.calls import Call
from gateway.edge.callers import Callers
from gateway.edge.calls import Traffic
from gateway.edge.endpoints import Table
from gateway.edge.grpcio import GrpcioListener
from gateway.edge.health import Health
from gateway.edge.native.listener import NativeListener
from gateway.edge.reflection import ALWAYS, KSERVE_FILE, Reflection
from gateway.interfaces import Endpoint, Listener, StreamEndpoint
from gateway.tenancy.directory import Directory, open_directory
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants
from gateway.testing import FakeTelemetry
from tests.edge.behind_envoy import EnvoyListener

KINDS: dict[str, Callable[..., Listener]] = {"grpcio": GrpcioListener, "native": NativeListener}


EDGES: dict[str, Callable[..., Listener]] = {**KINDS, "envoy": EnvoyListener}
MOST_BYTES = 1 << 20
NO_ENDPOINTS: Table = MappingProxyType({})
ECHO, HELD, BROKEN, LARGE, STREAM = (f"/test.Edge/{name}" for name in ("Echo", "Held", "Broken", "Large", "Stream"))


def known_caller() -> tuple[str, Directory]:
    """Returns the key of a tenant that may call everything, and the directory that has it."""
    key, hashed = new_key()
    policy = TenantPolicy(name="known", models=("*",), keys=(KeyEntry.of(hashed),))
    return key, open_directory(Tenants(tenants=(policy,)))


KEY, DIRECTORY = known_caller()
CALLERS = Callers(lambda: DIRECTORY)


@dataclass(slots=True)
class Edge:
    """A listener, what it serves, and what its endpoints have seen.

    Attributes:
        kind: Name of the listener.
        table: The live table; a test may replace it.
        traffic: Calls under way.
        telemetry: What becomes of them.
        health: What health checks are told.
        listener: The listener.
        channel: To the listener.
        address: Where it listens.
        open: Cleared, it holds calls of `HELD`.
        begun: Calls of `HELD` that have begun.
        cancelled: Those of them that were cancelled.
        calls: Every call of `ECHO`.
        error: What `BROKEN` raises.
    """

    kind: str
    traffic: Traffic = field(default_factory=Traffic)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    table: Table = field(default_factory=dict)
    health: Health = field(default_factory=lambda: Health(CALLERS))
    reflection: Reflection = field(default_factory=lambda: Reflection(CALLERS, (*ALWAYS, KSERVE_FILE)))
    listener: Any = None
    channel: Any = None
    address: str = ""
    open: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0
    cancelled: int = 0
    calls: list[Call] = field(default_factory=list)
    error: BaseException = field(default_factory=lambda: KeyError("secret"))

    def __post_init__(self) -> None:
        endpoints = {ECHO: self._echo, HELD: self._hold, BROKEN: self._break, LARGE: self._grow}
        self.table = {path: Endpoint(path, answer) for path, answer in endpoints.items()}
        self.table |= {STREAM: StreamEndpoint(STREAM, self._stream)}

    def unary(self, path: str, message: bytes = b"", **options: Any) -> Any:
        """Begins a call with one message."""
        return self.channel.unary_unary(path)(message, **options)

    async def refusal(self, call: Any) -> grpc.aio.AioRpcError:
        """Awaits a call that fails."""
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        return raised.value

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds."""
        async with asyncio.timeout(30):
            while not holds():
                await asyncio.sleep(0.01)

    def services(self, server: grpc.aio.Server) -> None:
        """Adds health and reflection."""
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(self.reflection, server)

    async def _echo(self, call: Call) -> bytes:
        self.calls.append(call)
        return bytes(call.message)

    async def _hold(self, call: Call) -> bytes:
        self.begun += 1
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return bytes(call.message)

    async def _break(self, call: Call) -> bytes:  # noqa: ARG002 - it answers nobody
        await asyncio.sleep(0)
        raise self.error

    async def _grow(self, call: Call) -> bytes:
        return bytes(int(call.message))

    async def _stream(self, call: Call, messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        self.calls.append(call)
        async for message in messages:
            if message == b"fail":
                raise self.error
            yield message


@asynccontextmanager
async def listening(
    kind: str, address: str = "127.0.0.1:0", most: int | None = None, further: Table = NO_ENDPOINTS, **options: Any
) -> AsyncIterator[Edge]:
    """Runs a listener, with further endpoints if there are any; afterwards no call is under way and no task is left."""
    tasks = tasks_of_calls()
    edge = Edge(kind) if most is None else Edge(kind, Traffic(most))
    edge.table = {**edge.table, **further}
    edge.reflection.report(descriptor_pool.Default(), ())
    await edge.health.report({"": True}, {})
    listener = EDGES[kind](
        address, lambda: edge.table, edge.services, MOST_BYTES, edge.telemetry, edge.traffic, **options
    )
    edge.listener, edge.address = listener, await listener.start()
    async with grpc.aio.insecure_channel(edge.address) as edge.channel:
        yield edge
    await listener.stop(0.1)
    await edge.until(lambda: tasks_of_calls() <= tasks)
    assert edge.traffic.active == 0
    assert edge.telemetry.under_way == []


def tasks_of_calls() -> set[asyncio.Task[Any]]:
    """Returns the tasks that run now, without grpcio's own and the one that asks."""
    return {task for task in asyncio.all_tasks() - {asyncio.current_task()} if "grpc" not in repr(task.get_coro())}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Names one listener after the other."""
    return str(request.param)


@pytest.fixture(params=EDGES)
async def edge(request: pytest.FixtureRequest) -> AsyncIterator[Edge]:
    """A listener of each kind, and one behind Envoy."""
    async with listening(str(request.param)) as made:
        yield made
