"""Who reads features in the part `feast`: Feast, the endpoint of the service in this process, and the service."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import grpc
from erpml.catalog.v1 import catalog_pb2
from erpml.hub.v1.feature_store_service_pb2 import GetOnlineFeaturesRequest, GetOnlineFeaturesResponse
from erpml.types.v1 import feature_view_pb2

from benchmarks.arena import TENANT, write_tenants_of
from benchmarks.features.feast_process import Feast, Wanted
from benchmarks.features.rows import COLUMNS, DAY_MS
from benchmarks.gateway_process import STOP_SECONDS, end, wait_for_address
from gateway.calls import Call
from gateway.edge.feature_store.service import SERVICE, feature_endpoints
from gateway.feature_views import FeatureView
from gateway.features.opening import open_features
from gateway.tenancy.directory import open_directory
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants

FEAST = "Feast"
PATH = f"/{SERVICE}/GetOnlineFeatures"
VIEW = "bench"
CALLS = {1: 2_000, 64: 400}  # of a round
FEAST_CALLS = {1: 300, 64: 30}
COPIES = {"from memory": 20_000, "from Redis": 1}
LISTENERS = ("native", "grpcio")
ENTITIES = 4_000

# Makes calls; returns the seconds of CPU that they took.
Measure = Callable[[Wanted], Awaitable[float]]

# Answers one call: a row for each entity.
Read = Callable[[list[str]], Awaitable[list[tuple[float, ...]]]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Somebody who reads features.

    Attributes:
        name: What it is called.
        calls: How many it makes in a round, by entities of a call.
        read: Answers one call.
        measure: Makes calls.
    """

    name: str
    calls: dict[int, int]
    read: Read
    measure: Measure


def declaration() -> feature_view_pb2.FeatureView:
    """Returns what is declared of the view."""
    columns = [
        feature_view_pb2.FeatureColumn(name=f"c{number}", type=feature_view_pb2.FEATURE_TYPE_FLOAT32)
        for number in range(COLUMNS)
    ]
    return feature_view_pb2.FeatureView(
        name=VIEW,
        team="team3",
        entity="entity",
        columns=columns,
        freshness_ms=DAY_MS,
        degrade=feature_view_pb2.DEGRADE_DEFAULT,
    )


def request_of(entities: list[str]) -> bytes:
    """Returns a serialised request."""
    return GetOnlineFeaturesRequest(view=VIEW, entity_ids=entities).SerializeToString()


def rows_of(answer: bytes) -> list[tuple[float, ...]]:
    """Returns the rows of a serialised response."""
    return list(zip(*(column.floats for column in GetOnlineFeaturesResponse.FromString(answer).columns), strict=True))


async def make(calls: Sequence[bytes], callers: int, call: Callable[[bytes], Awaitable[object]]) -> None:
    """Makes calls, so many at once."""
    waiting = iter(calls)

    async def caller() -> None:
        for message in waiting:
            await call(message)

    await asyncio.gather(*(caller() for _ in range(callers)))


@asynccontextmanager
async def in_process(url: str, copies: int, callers: int) -> AsyncIterator[tuple[Read, Measure]]:
    """Opens the endpoint in this process."""
    key, hashed = new_key()
    tenants = open_directory(
        Tenants(tenants=(TenantPolicy(name="bench", models=(), feature_views=("*",), keys=(KeyEntry.of(hashed),)),))
    )
    view = FeatureView.read(declaration())
    features = open_features(url, 1.0, copies, 3600.0)
    features.follow([view])
    running = asyncio.create_task(features.run())
    endpoint = feature_endpoints(tenants, {VIEW: view}, features, features)[PATH]

    async def call(message: bytes) -> bytes:
        return await endpoint.answer(Call(message, key, None, path=PATH))

    async def measure(wanted: Wanted) -> float:
        messages = list(map(request_of, wanted))
        began = process_time()
        await make(messages, callers, call)
        return process_time() - began

    async def read(entities: list[str]) -> list[tuple[float, ...]]:
        return rows_of(await call(request_of(entities)))

    try:
        await asyncio.sleep(0.5)
        yield read, measure
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await features.close()


@contextmanager
def server(environment: dict[str, str], listener: str, copies: int) -> Iterator[tuple[int, str]]:
    """Runs `gapura feature-store`; yields its process and address."""
    command = [sys.executable, "-m", "gateway", "feature-store", "--listen", "127.0.0.1:0", "--listener", listener]
    with tempfile.NamedTemporaryFile() as log:
        environment = {**environment, "GAPURA_FEATURES_COPIES": str(copies)}
        process = subprocess.Popen(command, env=environment, stderr=log)  # noqa: S603 - our own command
        try:
            yield process.pid, wait_for_address(process, Path(log.name))
        finally:
            end(process, STOP_SECONDS)


@asynccontextmanager
async def over_grpc(
    environment: dict[str, str], listener: str, copies: int, callers: int
) -> AsyncIterator[tuple[Read, Measure]]:
    """Opens the service in a process of its own."""
    with server(environment, listener, copies) as (process, address):
        async with grpc.aio.insecure_channel(address) as channel:
            method: Any = channel.unary_unary(PATH)
            metadata = (("x-api-key", environment["BENCH_KEY"]),)

            async def call(message: bytes) -> bytes:
                return bytes(await method(message, metadata=metadata))

            async def measure(wanted: Wanted) -> float:
                messages = list(map(request_of, wanted))
                began = cpu_seconds(process)
                await make(messages, callers, call)
                return cpu_seconds(process) - began

            async def read(entities: list[str]) -> list[tuple[float, ...]]:
                return rows_of(await call(request_of(entities)))

            yield read, measure


def cpu_seconds(process: int) -> float:
    """Returns the CPU time of all threads of a process."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def environment_of(folder: Path, url: str) -> dict[str, str]:
    """Writes the catalog and a tenant; returns the environment of the service."""
    catalog = catalog_pb2.Catalog(generation=1, feature_views=[declaration()])
    (folder / "catalog.binpb").write_bytes(catalog.SerializeToString())
    places = {
        "CATALOG": folder / "catalog.binpb",
        "TENANTS": folder / "tenants.yaml",
        "USAGE": folder / "usage",
        "FEATURES_URL": url,
        "FEATURES_COPY_SECONDS": 3600,
        "FEATURES_BUDGET_MS": 1000,
        "DRAIN_SECONDS": 0,
    }
    keys = write_tenants_of(folder / "tenants.yaml", {TENANT: {"models": ("none_*",), "feature_views": ("*",)}})
    environment = {**os.environ, **{f"GAPURA_{name}": str(place) for name, place in places.items()}}
    return {**environment, "BENCH_KEY": keys[TENANT]}


@asynccontextmanager
async def contestants(folder: Path, url: str, callers: int) -> AsyncIterator[list[Contestant]]:
    """Opens all of them."""
    environment = environment_of(folder, url)
    async with AsyncExitStack() as stack:
        (folder / "feast").mkdir()
        feast = Feast(folder / "feast", url.removeprefix("redis://"), ENTITIES)
        stack.callback(feast.close)
        opened = [Contestant(FEAST, FEAST_CALLS, feast.read, feast.measure)]
        for told, copies in COPIES.items():
            read, measure = await stack.enter_async_context(in_process(url, copies, callers))
            opened.append(Contestant(f"in process, {told}", CALLS, read, measure))
        for listener in LISTENERS:
            for told, copies in COPIES.items():
                read, measure = await stack.enter_async_context(over_grpc(environment, listener, copies, callers))
                opened.append(Contestant(f"{listener}, {told}", CALLS, read, measure))
        yield opened
