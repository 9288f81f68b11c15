"""Streams at the edge: bounded, in order, over the live table, and nothing is left of one that ends early."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from tritonclient.grpc import service_pb2

from gateway.calls import Call
from gateway.edge.endpoints import Table, build_table
from gateway.edge.grpcio import GrpcioListener
from gateway.edge.kserve.streams import MOST_IN_FLIGHT
from gateway.interfaces import Endpoint, StreamEndpoint
from gateway.pipeline import Pipeline
from gateway.routing.routes import compile_routes
from gateway.telemetry.off import NoTelemetry
from gateway.tenancy.directory import open_directory
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants
from gateway.testing import FakeFeatures, FakeLanes
from gateway.types import Arm, Model, TensorSpec
from tests.gateway.models import always, version

KEY, HASHED = new_key()
SERVED = version((TensorSpec("x", "FP32", (1,)),), outputs=(TensorSpec("x", "FP32", (1,)),))
METADATA = (("x-api-key", KEY),)
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
INFER = "/inference.GRPCInferenceService/ModelInfer"


def table_of(backend: FakeLanes, *, tenant: bool = True) -> Table:
    """Returns the endpoints of one model."""
    policy = TenantPolicy(name="team9", models=("*",), keys=(KeyEntry.of(HASHED),))
    model = Model(SERVED.model, {SERVED.number: SERVED}, (Arm("champion", SERVED),), {})
    pipeline = Pipeline(
        open_directory(Tenants(tenants=(policy,) if tenant else ())),
        compile_routes({SERVED.model: model}, always),
        FakeFeatures(),
        backend,
        NoTelemetry(),
    )
    return build_table(pipeline, {}, {}, ready=True)


class Edge:
    """A listener over a table that the test may replace."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.listener = GrpcioListener("127.0.0.1:0", lambda: self.table, lambda _: None, 1 << 20, NoTelemetry())


@asynccontextmanager
async def listening(table: Table) -> AsyncIterator[tuple[Edge, grpc.aio.Channel]]:
    """Runs a listener; yields it and a channel to it. Afterwards no task of it is left."""
    before = asyncio.all_tasks()
    edge = Edge(table)
    async with grpc.aio.insecure_channel(await edge.listener.start()) as channel:
        yield edge, channel
    await edge.listener.stop(1)
    await asyncio.sleep(0.1)
    assert {task for task in asyncio.all_tasks() - before if "grpc" not in repr(task.get_coro())} == set()


def request(number: int) -> bytes:
    """Returns one inference of one row."""
    made = service_pb2.ModelInferRequest(model_name=SERVED.model, id=str(number))
    made.inputs.add(name="x", datatype="FP32", shape=[1, 1])
    made.raw_input_contents.append(bytes(4))
    return bytes(made.SerializeToString())


def stream_to(channel: grpc.aio.Channel, requests: Iterable[bytes] | None, path: str = STREAM, **fields: Any) -> Any:
    """Opens a stream of requests, or one to write to."""
    method: Any = channel.stream_stream(path)
    return method(None if requests is None else iter(requests), metadata=METADATA, **fields)


def answered(message: bytes) -> str:
    """Returns the id of an answer."""
    told = service_pb2.ModelStreamInferResponse.FromString(message)
    assert not told.error_message
    return str(told.infer_response.id)


async def test_answers_keep_the_order_of_the_requests() -> None:
    async with listening(table_of(FakeLanes())) as (_, channel):
        call = stream_to(channel, map(request, range(1000)))
        assert [answered(message) async for message in call] == [str(number) for number in range(1000)]


async def test_no_more_is_read_than_may_be_in_flight() -> None:
    backend = FakeLanes()
    backend.open.clear()
    async with listening(table_of(backend)) as (_, channel):
        call = stream_to(channel, map(request, range(2000)))
        await asyncio.sleep(0.5)
        assert MOST_IN_FLIGHT <= len(backend.batches) <= MOST_IN_FLIGHT + 2
        backend.open.set()
        assert len([message async for message in call]) == 2000


async def test_nothing_is_left_of_a_stream_that_its_caller_cancels() -> None:
    backend = FakeLanes()
    backend.open.clear()
    async with listening(table_of(backend)) as (_, channel):
        call = stream_to(channel, map(request, range(50)))
        while len(backend.batches) < 50:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.read()


async def test_a_stream_ends_at_its_deadline() -> None:
    backend = FakeLanes()
    backend.open.clear()
    async with listening(table_of(backend)) as (_, channel):
        call = stream_to(channel, [request(1)], timeout=0.3)
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_stream_that_is_under_way_may_finish_while_the_listener_stops() -> None:
    backend = FakeLanes()
    backend.open.clear()
    async with listening(table_of(backend)) as (edge, channel):
        call = stream_to(channel, [request(1)])
        while not backend.batches:
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(edge.listener.stop(5))
        await asyncio.sleep(0.1)
        backend.open.set()
        assert [answered(message) async for message in call] == ["1"]
        await stopping


async def test_a_stream_goes_on_over_the_table_that_replaces_its_first() -> None:
    old, new = FakeLanes(), FakeLanes()
    async with listening(table_of(old)) as (edge, channel):
        call = stream_to(channel, None)
        await call.write(request(1))
        assert answered(await call.read()) == "1"
        edge.table = table_of(new)
        await call.write(request(2))
        assert answered(await call.read()) == "2"
        assert (len(old.batches), len(new.batches)) == (1, 1)
        edge.table = table_of(new, tenant=False)
        await call.write(request(3))
        assert await call.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_stream_that_fails_unexpectedly_tells_only_where_to_look() -> None:
    async def fail(call: Call, messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:  # noqa: ARG001 - it reads none
        raise KeyError("secret")
        yield b""

    async with listening({"/a/B": StreamEndpoint("/a/B", fail)}) as (_, channel):
        call = stream_to(channel, [b""], "/a/B")
        assert await call.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in await call.details()


async def test_a_call_without_a_message_is_told_so() -> None:
    async with listening(table_of(FakeLanes())) as (_, channel):
        method: Any = channel.stream_unary(INFER)
        call = method(iter(()), metadata=METADATA)
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "without a message" in await call.details()


async def test_a_stream_of_a_path_that_was_taken_away_is_refused() -> None:
    async with listening(table_of(FakeLanes())) as (edge, channel):
        call = stream_to(channel, None)
        await call.write(request(1))
        assert answered(await call.read()) == "1"
        edge.table = {"/a/B": Endpoint("/a/B", lambda _: asyncio.sleep(0, b""))}
        await call.write(request(2))
        assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
