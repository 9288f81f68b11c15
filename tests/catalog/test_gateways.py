"""Two gateways follow a hub through Redis under load: no call fails, and no answer is mixed, whatever Redis does."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2

from gateway.catalog.file import read_file
from hub.catalog_store import publish_to_redis
from tests.catalog.counting import calling, catalog_of, write_counting
from tests.catalog.following import KEY, eventually
from tests.catalog.valkey import Valkey
from tests.e2e.serving import add_tenant, scratch_environment, serve

CALLERS = 64
NEVER = "60"  # seconds between looks: only a notification comes in time


@dataclass
class Place:
    """A model, a Valkey, and two gateways with files of their own."""

    folder: Path
    valkey: Valkey
    model: catalog_pb2.Model
    environment: dict[str, str]
    key: str
    stack: ExitStack
    addresses: list[str] = field(default_factory=list)

    def catalog(self, gateway: int) -> Path:
        """Returns the catalog file of a gateway."""
        return self.folder / f"gateway-{gateway}/catalog.binpb"

    def start(self, gateway: int, **changes: str) -> str:
        """Starts a gateway; returns its address."""
        settings = {"CATALOG": str(self.catalog(gateway)), "REDIS_URL": self.valkey.url()} | changes
        _, address = self.stack.enter_context(serve(scratch_environment(self.environment, **settings)))
        return address

    async def publish(self, number: int) -> None:
        """Makes a version champion, in Redis alone."""
        await asyncio.to_thread(publish_to_redis, self.valkey.url(), KEY, catalog_of(self.model, number))


@pytest.fixture
def place(tmp_path: Path, valkey: Valkey) -> Iterator[Place]:
    environment = scratch_environment(
        os.environ,
        REPOSITORY=str(tmp_path / "models"),
        TENANTS=str(tmp_path / "tenants.yaml"),
        CONTRACTS=str(tmp_path / "contracts"),
        WATCH_SECONDS=NEVER,
    )
    key = add_tenant(environment, "catalog", "team9_*")
    with ExitStack() as stack:
        yield Place(tmp_path, valkey, write_counting(tmp_path / "models"), environment, key, stack)


async def test_20_catalogs_go_live_on_two_gateways_and_none_of_64_callers_notices(place: Place) -> None:
    await place.publish(1)
    addresses = [place.start(number) for number in (1, 2)]
    async with calling(addresses, place.key, CALLERS) as callers:
        await callers.reach(1)
        for number in range(2, 22):
            await place.publish(number)
            await asyncio.sleep(0.05)
        await callers.reach(21)
    assert callers.failed == []
    for seen in callers.answered:
        assert seen == sorted(seen)
    assert len({version for seen in callers.answered for version in seen}) > 5
    for number in (1, 2):
        await eventually(lambda: read_file(place.catalog(number)).generation == 21)  # noqa: B023 - called at once


async def test_nothing_that_happens_to_redis_is_noticed_and_the_last_catalog_outlives_it(place: Place) -> None:
    await place.publish(1)
    addresses = [place.start(number, WATCH_SECONDS="0.2") for number in (1, 2)]
    valkey = place.valkey
    async with calling(addresses, place.key, 16) as callers:
        await callers.reach(1)
        valkey.do("SET", KEY, b"garbage")
        await asyncio.sleep(0.3)
        await place.publish(2)
        await callers.reach(2)
        valkey.freeze()
        await asyncio.sleep(1.5)
        valkey.thaw()
        await place.publish(3)
        await callers.reach(3)
        valkey.kill()
        await asyncio.sleep(0.3)
        valkey.start()  # it has forgotten everything
        await place.publish(2)
        await asyncio.sleep(0.3)
        assert callers.latest() == {3}
        await place.publish(4)
        await callers.reach(4)
        valkey.kill()
        await eventually(lambda: read_file(place.catalog(1)).generation == 4)
        async with calling([place.start(1)], place.key, 1) as later:
            await later.reach(4)
    assert callers.failed == later.failed == []
    for seen in callers.answered:
        assert seen == sorted(seen)
