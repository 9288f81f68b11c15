"""The hub's copy of the catalog in Redis: whole or not at all, never back, and told once."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from erpml.catalog.v1 import catalog_pb2
from redis import Redis

from hub.catalog_store import publish_to_redis, seal
from hub.errors import HubError
from tests.catalog.following import KEY
from tests.catalog.valkey import Valkey, running
from tests.e2e.serving import free_port
from tests.gateway.models import catalog_message

SECRET = "not-for-the-log"  # noqa: S105 - it opens nothing


def stored(valkey: Valkey) -> catalog_pb2.Catalog:
    """Returns the catalog that lies in Redis."""
    return catalog_pb2.Catalog.FromString(catalog_pb2.CatalogEnvelope.FromString(valkey.do("GET", KEY)).catalog)


@contextmanager
def listening(valkey: Valkey) -> Iterator[list[int]]:
    """Collects the generations that are told."""
    told = list[int]()
    with Redis.from_url(valkey.url()) as client, client.pubsub() as notices:
        notices.subscribe(KEY)
        notices.get_message(timeout=5)
        yield told
        while (message := notices.get_message(timeout=0.2)) is not None:
            told.append(int(message["data"]))


def test_a_catalog_is_written_and_told_once(valkey: Valkey) -> None:
    with listening(valkey) as told:
        for _ in range(3):
            publish_to_redis(valkey.url(), KEY, catalog_message(4))
        publish_to_redis(valkey.url(), KEY, catalog_message(5))
    assert told == [4, 5]
    assert stored(valkey) == catalog_message(5)


def test_two_hubs_cannot_fight(valkey: Valkey) -> None:
    publish_to_redis(valkey.url(), KEY, catalog_message(5))
    other = catalog_message(5)
    other.models[0].team = "another"
    for catalog in (catalog_message(4), other):
        with pytest.raises(HubError, match=f"holds generation 5 .* this one is generation {catalog.generation}"):
            publish_to_redis(valkey.url(), KEY, catalog)
    assert stored(valkey) == catalog_message(5)


def test_the_newest_of_many_that_write_at_once_stays(valkey: Valkey) -> None:
    last = 60

    def write(first: int) -> None:
        for number in range(first, last + 1, 3):
            try:
                publish_to_redis(valkey.url(), KEY, catalog_message(number))
            except HubError:
                continue  # somebody else was ahead, or wrote all the time

    with listening(valkey) as told:
        threads = [threading.Thread(target=write, args=(first,)) for first in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert told == sorted(set(told))
    assert stored(valkey).generation == told[-1] >= last - 2


@pytest.mark.parametrize("rest", [b"garbage", seal(catalog_message(9))[:-2]])
def test_what_is_no_catalog_is_replaced(valkey: Valkey, rest: bytes) -> None:
    valkey.do("SET", KEY, rest)
    publish_to_redis(valkey.url(), KEY, catalog_message(1))
    assert stored(valkey) == catalog_message(1)


def test_a_key_of_somebody_else_is_left_alone(valkey: Valkey) -> None:
    valkey.do("RPUSH", KEY, "theirs")
    with pytest.raises(HubError, match=f"'{KEY}' does not have the catalog: WRONGTYPE"):
        publish_to_redis(valkey.url(), KEY, catalog_message(1))
    assert valkey.do("LRANGE", KEY, 0, -1) == [b"theirs"]


async def test_a_redis_that_is_away_or_frozen_is_given_up_soon(valkey: Valkey) -> None:
    valkey.freeze()
    for url in (f"redis://127.0.0.1:{free_port()}", valkey.url()):
        with pytest.raises(HubError, match="does not have the catalog"):
            await asyncio.wait_for(asyncio.to_thread(publish_to_redis, url, KEY, catalog_message(1)), 20)


def test_a_password_is_never_told() -> None:
    with running("--requirepass", SECRET) as valkey:
        publish_to_redis(valkey.url(f":{SECRET}@"), KEY, catalog_message(1))
        for url in (valkey.url(f":{SECRET}-wrong@"), f"http://:{SECRET}@host"):
            with pytest.raises(HubError) as refused:
                publish_to_redis(url, KEY, catalog_message(2))
            assert SECRET not in str(refused.value)
