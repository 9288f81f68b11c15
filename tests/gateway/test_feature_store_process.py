"""The process of the feature store service: it follows the catalog, and keeps its views when that breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from erpml.catalog.v1 import catalog_pb2
from erpml.hub.v1 import feature_store_service_pb2 as messages
from erpml.hub.v1 import feature_store_service_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.errors import ConfigurationError
from gateway.feature_store_app import FeatureStoreServer
from gateway.feature_views import FeatureStatus
from gateway.settings import Settings, read_settings
from gateway.tenancy.changing import write_tenants
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants
from tests.gateway.feature_store import declared, row_of

KEY, HASHED = new_key()
METADATA = (("x-api-key", KEY),)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a process without Redis, and its tenant."""
    policy = TenantPolicy(
        name="known", models=(), feature_views=("*",), feature_pushes=("*",), keys=(KeyEntry.of(HASHED),)
    )
    write_tenants(tmp_path / "tenants.yaml", Tenants(tenants=(policy,)))
    return read_settings(
        listen="127.0.0.1:0",
        catalog=tmp_path / "catalog.binpb",
        tenants=tmp_path / "tenants.yaml",
        usage=tmp_path / "usage",
        watch_seconds=0.05,
        drain_seconds=0.1,
    )


def publish(settings: Settings, generation: int, *views: Any) -> None:
    """Writes a catalog, in one step."""
    catalog = catalog_pb2.Catalog(generation=generation, feature_views=views)
    written = settings.catalog.with_suffix(".new")
    written.write_bytes(catalog.SerializeToString())
    written.replace(settings.catalog)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[grpc.aio.Channel]:
    """Runs the process's server in this one; yields a channel to it."""
    server = FeatureStoreServer(settings)
    address = await server.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield channel
    finally:
        await server.stop()


async def names(channel: grpc.aio.Channel) -> list[str]:
    """Returns the names of the views that are listed."""
    stub: Any = feature_store_service_pb2_grpc.FeatureStoreServiceStub(channel)
    return [view.name for view in (await stub.ListViews(messages.ListViewsRequest(), metadata=METADATA)).views]


async def until_listed(channel: grpc.aio.Channel, *expected: str) -> None:
    """Waits until just these views are listed."""
    async with asyncio.timeout(30):
        while await names(channel) != list(expected):
            await asyncio.sleep(0.02)


async def is_serving(channel: grpc.aio.Channel) -> bool:
    """Says whether the process is healthy."""
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def test_a_process_that_starts_before_there_is_a_catalog_takes_it_up(settings: Settings) -> None:
    async with serving(settings) as channel:
        assert (await names(channel), await is_serving(channel)) == ([], False)
        publish(settings, 1, declared())
        await until_listed(channel, "customer")
        assert await is_serving(channel)


async def test_views_follow_the_catalog_and_stay_when_it_breaks(settings: Settings) -> None:
    publish(settings, 1, declared())
    async with serving(settings) as channel:
        assert await names(channel) == ["customer"]
        settings.catalog.write_bytes(b"\xff broken")
        await asyncio.sleep(0.3)
        assert (await names(channel), await is_serving(channel)) == (["customer"], True)
        publish(settings, 2, declared("merchant"))
        await until_listed(channel, "merchant")


async def test_a_view_that_contradicts_itself_costs_no_other_anything(settings: Settings) -> None:
    broken = declared("broken")
    broken.columns[0].type = 99
    publish(settings, 1, broken, declared())
    async with serving(settings) as channel:
        assert await names(channel) == ["customer"]


async def test_without_a_store_nothing_is_written_and_the_defaults_are_read(settings: Settings) -> None:
    publish(settings, 1, declared())
    async with serving(settings) as channel:
        stub: Any = feature_store_service_pb2_grpc.FeatureStoreServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError, match="no store has its features") as refused:
            await stub.PushFeatures(messages.PushFeaturesRequest(view="customer", rows=[row_of()]), metadata=METADATA)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        request = messages.GetOnlineFeaturesRequest(view="customer", entity_ids=["c1"])
        assert list((await stub.GetOnlineFeatures(request, metadata=METADATA)).statuses) == [FeatureStatus.DEFAULT]


async def test_a_process_does_not_start_with_a_broken_catalog(settings: Settings) -> None:
    settings.catalog.write_bytes(b"\xff broken")
    server = FeatureStoreServer(settings)
    with pytest.raises(ConfigurationError):
        await server.start()
    await server.stop()
