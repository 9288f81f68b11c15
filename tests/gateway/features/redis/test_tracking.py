"""Changes of rows, as real servers tell them: soon, all of them, and again after the connection was lost."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from structlog.testing import capture_logs

from tests.gateway.features.redis.reading import STALL_SECONDS, Ear, followed, source, until
from tests.redis_servers import Server, redis_server


@pytest.fixture(params=[False, True], ids=["valkey", "redis-7.0"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with redis_server(tmp_path, debian=request.param) as running:
        yield running


async def test_changes_are_told_in_milliseconds(server: Server) -> None:
    async with followed(server.url, "f:@", "f:v.1:") as (_, ear), source(server.url) as writer:
        seconds = []
        for index in range(50):
            key = f"f:v.1:{index}".encode()
            began = monotonic()
            await writer.write([("SET", key, b"1")])
            await until(lambda key=key: key in ear.keys)  # type: ignore[misc]
            seconds.append(ear.keys[key] - began)
        await writer.write([("DEL", b"f:v.1:0"), ("SET", b"f:@v", b"1")])
        await until(lambda: b"f:@v" in ear.keys)
    assert sorted(seconds)[5] < 0.005


async def test_only_what_is_followed_is_told(server: Server) -> None:
    async with followed(server.url, "f:v.1:") as (opened, ear):
        await opened.write([("SET", key, b"1") for key in ("f:v.2:a", "f:@v", "g", "f:v.1:a")])
        await until(lambda: b"f:v.1:a" in ear.keys)
        assert set(ear.keys) == {b"f:v.1:a"}


async def test_nothing_is_told_while_nothing_is_followed(server: Server) -> None:
    async with followed(server.url) as (opened, ear):
        await opened.write([("SET", "f:a", b"1")])
        opened.follow(frozenset({"g:"}))
        while b"g:a" not in ear.keys:
            await opened.write([("SET", "g:a", b"1")])
            await asyncio.sleep(0.01)
        assert set(ear.keys) == {b"g:a"}


async def test_emptied_server_is_doubted(server: Server) -> None:
    async with followed(server.url, "f:") as (opened, ear):
        await opened.write([("FLUSHALL",)])
        await until(lambda: ear.told == ["followed", "lost", "followed"])


async def test_prefixes_are_exchanged_without_a_change_that_is_missed(server: Server) -> None:
    written = set[bytes]()

    async def write() -> None:
        async with source(server.url) as writer:
            while True:
                keys = [f"f:{name}:{len(written)}".encode() for name in ("always", "sometimes")]
                await writer.write([("SET", key, b"1") for key in keys])
                written.add(keys[0])
                await asyncio.sleep(0)

    async with followed(server.url, "f:always:") as (opened, ear):
        writing = asyncio.create_task(write())
        for turn in range(60):
            opened.follow(frozenset({"f:always:", "f:sometimes:"} if turn % 2 else {"f:always:"}))
            await asyncio.sleep(0.01)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert ear.told == ["followed"]
    assert len(written) > 100
    assert written <= set(ear.keys)
    assert any(key.startswith(b"f:sometimes:") for key in ear.keys)


async def test_killed_server_is_followed_within_half_a_second_of_its_return(server: Server) -> None:
    async with followed(server.url, "f:") as (opened, ear):
        server.kill()
        assert await until(lambda: ear.told == ["followed", "lost"]) < 0.1 + STALL_SECONDS
        await asyncio.sleep(0.6)
        server.start()
        assert await until(lambda: ear.follows) < 0.5 + STALL_SECONDS
        await opened.write([("SET", "f:a", b"1")])
        await until(lambda: b"f:a" in ear.keys)
        assert ear.told == ["followed", "lost", "followed"]


async def test_frozen_server_is_found_out_within_a_second_and_a_half(server: Server) -> None:
    async with followed(server.url, "f:") as (_, ear):
        server.freeze()
        assert await until(lambda: ear.told == ["followed", "lost"]) < 1.5 + STALL_SECONDS
        server.thaw()
        assert await until(lambda: ear.follows) < 0.5 + STALL_SECONDS


async def test_connection_that_is_killed_is_opened_again(server: Server) -> None:
    async with followed(server.url, "f:") as (_, ear):
        told = server.do("CLIENT LIST")
        (tracker,) = [each["id"] for each in told if "t" in each["flags"]]
        server.do("CLIENT KILL", "ID", tracker)
        assert await until(lambda: ear.told == ["followed", "lost", "followed"]) < 0.5 + STALL_SECONDS


async def test_user_that_may_not_be_told_still_reads(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server, capture_logs() as logs:
        server.do("ACL SETUSER", "gateway", "on", ">secret", "~f:*", "+mget", "+ping")
        async with source(f"redis://gateway:secret@127.0.0.1:{server.port}") as opened:
            ear = Ear()
            opened.follow(frozenset({"f:"}))
            running = asyncio.create_task(opened.run(ear))
            await asyncio.sleep(0.8)
            assert await opened.read(["f:a"]) == [None]
            assert ear.told == []
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    refusals = [log["reason"] for log in logs if log["event"] == "changes of features are not told"]
    assert ["NOPERM" in reason for reason in refusals if "reached" not in reason] == [True]


async def test_reads_come_first_where_there_is_one_connection(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.do("CONFIG SET", "maxclients", 1)
        async with source(server.url) as opened:
            ear = Ear()
            running = asyncio.create_task(opened.run(ear))
            await asyncio.sleep(0.5)
            assert await opened.read(["f:a"]) == [None]
            assert ear.told == []
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
