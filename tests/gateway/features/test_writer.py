"""A pushed row is kept, served by every gateway in a moment, and never takes the place of a later one."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from gapura_features.keys import pointer_key, pushes_key
from gapura_features.pointer import Pointer

from gateway.errors import InvalidFields, Unavailable
from gateway.feature_views import Features, FeatureStatus, FeatureView, FreshRow, Lookup
from gateway.features.absent import NoFeatures
from gateway.features.opening import StoredFeatures, open_features
from gateway.features.redis.opening import open_source
from tests.gateway.features.memory import now_ms, view
from tests.redis_servers import Server, redis_server

ENOUGH_SECONDS = 10.0  # 50 ms on a quiet machine


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    """Runs a Valkey."""
    with redis_server(tmp_path) as server:
        yield server


@asynccontextmanager
async def worker(server: Server, *views: FeatureView) -> AsyncIterator[StoredFeatures]:
    """Runs the stored features of one gateway."""
    features = StoredFeatures(open_source(server.url), 1.0, copies=100, copy_seconds=60.0)
    features.follow(views)
    running = asyncio.create_task(features.run())
    try:
        yield features
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await features.close()


async def one(features: StoredFeatures, view_: FeatureView, entity: str = "c-1") -> Features:
    """Reads one entity as the pipeline does."""
    wanted = (Lookup(view_, entity),)
    (found,) = features.peek(wanted) or await features.fetch(wanted)
    return found


async def holds(features: StoredFeatures, view_: FeatureView, value: float) -> None:
    """Waits until a value is served."""
    end = time.monotonic() + ENOUGH_SECONDS
    while (await one(features, view_)).values[0] != value:
        assert time.monotonic() < end
        await asyncio.sleep(0.001)


async def test_a_pushed_row_is_served_by_every_gateway_that_has_the_one_before(redis: Server) -> None:
    customers = view()
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(worker(redis, customers)) for _ in range(3)]
        await holds(workers[0], customers, 7.0)
        for number in range(20):
            row = FreshRow("c-1", (float(number), "x"), now_ms())
            assert await workers[number % 3].push(customers, [row]) == 1
            await asyncio.gather(*(holds(each, customers, float(number)) for each in workers))


async def test_a_later_row_stays(redis: Server) -> None:
    customers = view()
    async with worker(redis, customers) as features:
        now = now_ms()
        assert await features.push(customers, [FreshRow("c-1", (1.0, "x"), now)]) == 1
        rows = [FreshRow("c-1", (2.0, "x"), now - 1), FreshRow("c-2", (2.0, "x"), now - 1)]
        assert await features.push(customers, rows) == 1
        await holds(features, customers, 1.0)
        assert await features.push(customers, [FreshRow("c-1", (3.0, "x"), now)]) == 1
        await holds(features, customers, 3.0)


async def test_every_push_is_kept_and_written_to_data_that_is_being_built(redis: Server) -> None:
    customers = view()
    redis.do("SET", pointer_key("customer"), Pointer(4, 5).write())
    async with worker(redis, customers) as features:
        await features.push(customers, [FreshRow("c-1", (1.0, "x"), now_ms())])
        assert redis.do("GET", "f:customer.4:c-1") == redis.do("GET", "f:customer.5:c-1") != b""
        assert redis.do("XLEN", pushes_key("customer")) == 1
        await holds(features, customers, 1.0)


async def test_a_value_that_does_not_fit_is_told_by_row_and_column_and_nothing_is_written(redis: Server) -> None:
    customers = view()
    async with worker(redis, customers) as features:
        rows = [FreshRow("c-1", (1.0, "x"), now_ms()), FreshRow("c-2", ("a", "x"), now_ms())]
        with pytest.raises(InvalidFields) as refused:
            await features.push(customers, rows)
        assert refused.value.violations == (("rows[1].income", "must be a number, got 'a'"),)
        assert redis.do("KEYS", "*") == []


@pytest.mark.parametrize("pointer", [None, "rubbish"])
async def test_a_push_that_cannot_be_kept_is_not_acknowledged(redis: Server, pointer: str | None) -> None:
    customers = view()
    async with worker(redis, customers) as features:
        if pointer is None:
            await one(features, customers)
            redis.kill()
        else:
            redis.do("SET", pointer_key("customer"), pointer)
        with pytest.raises(Unavailable, match="view 'customer'|Redis"):
            await features.push(customers, [FreshRow("c-1", (1.0, "x"), now_ms())])


async def test_without_a_redis_nothing_is_written_and_reading_goes_on() -> None:
    features, customers = open_features(None, 1.0, 1, 1.0), view()
    assert isinstance(features, NoFeatures)
    with pytest.raises(Unavailable, match="set GAPURA_FEATURES_URL"):
        await features.push(customers, [])
    (found,) = await features.fetch((Lookup(customers, "c-1"),))
    assert found.status is FeatureStatus.DEFAULT
