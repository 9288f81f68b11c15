"""Rows of a service that a real Sentinel watches, while its primary changes."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import Unavailable
from tests.gateway.features.redis.reading import (
    ANSWER_SECONDS,
    STALL_SECONDS,
    followed,
    source,
    timed_read,
    unread,
    until,
    until_read,
)
from tests.redis_servers import SERVICE, Watched, sentinel, wait_until


@pytest.fixture(params=[False, True], ids=["valkey", "redis-7.0"])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    with sentinel(tmp_path, debian=request.param) as running:
        yield running


async def test_primary_that_the_sentinel_names_is_read_and_written(watched: Watched) -> None:
    nobody = "127.0.0.1:1"
    async with followed(watched.url.replace("://", f"://{nobody},"), "f:") as (opened, ear):
        assert await opened.write([("SET", "f:a", b"1")]) == [b"OK"]
        assert await opened.read(["f:a", "f:b"]) == [b"1", None]
        assert await opened.check()
        await until(lambda: b"f:a" in ear.keys)
    assert watched.primary.do("GET", "f:a") == b"1"


async def test_killed_primary_is_replaced_under_reads(watched: Watched) -> None:
    async with followed(watched.url, "f:") as (opened, ear):
        await opened.write([("SET", "f:a", b"1")])
        wait_until(lambda: watched.replica.do("GET", "f:a") == b"1")
        watched.primary.kill()
        assert await until_read(opened, "f:a", b"1", seconds=10) < 5 + STALL_SECONDS
        await until(lambda: ear.told == ["followed", "lost", "followed"])
        await opened.write([("SET", "f:a", b"2")])
        await until(lambda: b"f:a" in ear.keys)
    assert watched.replica.do("GET", "f:a") == b"2"


async def test_reads_never_wait_longer_than_an_answer_while_the_primary_is_frozen(watched: Watched) -> None:
    async with source(watched.url) as opened:
        await opened.write([("SET", "f:a", b"1")])
        wait_until(lambda: watched.replica.do("GET", "f:a") == b"1")
        watched.primary.freeze()
        times: list[tuple[float, list[object]]] = []
        while not times or unread(times[-1][1]):
            assert len(times) < 2000
            times.append(await timed_read(opened, "f:a"))
            await asyncio.sleep(0.005)
        assert times[-1][1] == [b"1"]
        assert max(seconds for seconds, _ in times) < 2 * ANSWER_SECONDS + STALL_SECONDS


async def test_primary_and_replica_that_change_places_are_followed(watched: Watched) -> None:
    async with followed(watched.url, "f:") as (opened, ear):
        await opened.write([("SET", "f:a", b"1")])
        await asyncio.to_thread(watched.fail_over)
        await asyncio.sleep(1.5)
        await opened.write([("SET", "f:a", b"2")])
        assert await opened.read(["f:a"]) == [b"2"]
        await until(lambda: b"f:a" in ear.keys and ear.follows)
    assert watched.replica.do("GET", "f:a") == b"2"


async def test_unknown_service_is_unread_and_not_written(watched: Watched) -> None:
    async with source(watched.url.replace(SERVICE, "other")) as opened:
        assert unread(await opened.read(["f:a"]))
        assert not await opened.check()
        with pytest.raises(Unavailable, match="Sentinels"):
            await opened.write([("SET", "f:a", b"1")])
