"""Rows of one real server: what is read, and what happens when it refuses, ends, freezes or holds too much."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import monotonic

import pytest
from gapura_features.packed import MOST_ROW_BYTES
from structlog.testing import capture_logs

from gateway.errors import Unavailable
from gateway.features.redis.large import SECONDS
from gateway.features.source import UNREAD, RowSource
from tests.e2e.serving import free_port
from tests.envoy.certificates import Authority
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
from tests.redis_servers import Server, redis_server


@pytest.fixture(params=[False, True], ids=["valkey", "redis-7.0"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with redis_server(tmp_path, debian=request.param) as running:
        yield running


@pytest.fixture
async def opened(server: Server) -> AsyncIterator[RowSource]:
    async with source(server.url) as found:
        yield found


async def test_rows_that_are_read_are_those_that_were_written(server: Server, opened: RowSource) -> None:
    rows = {f"f:v.1:{'é' * index}{index}": bytes(range(index)) * index for index in range(1, 200)}
    for key, row in rows.items():
        server.do("SET", key, row)
    assert await opened.read([*rows, "f:v.1:none"]) == [*rows.values(), None]


async def test_a_read_is_one_mget(server: Server, opened: RowSource) -> None:
    await opened.read(["f:a"])
    server.do("CONFIG RESETSTAT")
    await opened.read([f"f:v.1:{index}" for index in range(64)])
    calls = {name: told["calls"] for name, told in server.do("INFO", "commandstats").items()}
    assert calls["cmdstat_mget"] == 1
    assert not {"cmdstat_get", "cmdstat_ping", "cmdstat_auth"} & set(calls)


async def test_reads_share_two_connections(server: Server, opened: RowSource) -> None:
    await asyncio.gather(*(opened.read([f"f:{index}"]) for index in range(200)))
    await until(lambda: server.do("INFO", "clients")["connected_clients"] == 3)  # and the one that asks


async def test_commands_are_carried_out_in_order_and_answered(server: Server, opened: RowSource) -> None:
    script = "redis.call('SET', KEYS[1], ARGV[1]) return 1"
    answers = await opened.write([("SET", "f:a", b"1"), ("EVAL", script, 1, "f:a", b"2"), ("GET", "f:a")])
    assert answers == [b"OK", 1, b"2"]
    assert server.do("GET", "f:a") == b"2"


async def test_refused_commands_are_told(opened: RowSource) -> None:
    with pytest.raises(Unavailable, match="WRONGTYPE") as raised:
        await opened.write([("LPUSH", "f:list", b"1"), ("GET", "f:list")])
    assert raised.value.reason == "FEATURES_UNAVAILABLE"


async def test_keys_of_another_type_are_missing(server: Server, opened: RowSource) -> None:
    server.do("LPUSH", "f:list", "1")
    server.do("SET", "f:row", "1")
    assert await opened.read(["f:list", "f:row"]) == [None, b"1"]


async def test_check_says_whether_the_server_answers(server: Server, opened: RowSource) -> None:
    assert await opened.check()
    server.freeze()
    assert not await opened.check()


async def test_nobody_there_is_told_at_once_and_logged_once(server: Server) -> None:
    server.kill()
    with capture_logs() as logs:
        async with source(server.url) as opened:
            assert unread(await opened.read(["f:a"]))
            await asyncio.sleep(0.6)
            times = [await timed_read(opened, "f:a", "f:b") for _ in range(100)]
            with pytest.raises(Unavailable):
                await opened.write([("SET", "f:a", b"1")])
            assert not await opened.check()
    assert all(unread(found) for _, found in times)
    assert median(seconds for seconds, _ in times) < ANSWER_SECONDS / 5
    assert [log["event"] for log in logs] == ["features in Redis cannot be read"]


async def test_killed_server_is_read_within_half_a_second_of_its_return(server: Server, opened: RowSource) -> None:
    await opened.read(["f:a"])
    server.kill()
    await asyncio.sleep(0.3)
    times = [await timed_read(opened, "f:a") for _ in range(9)]
    assert all(unread(found) for _, found in times)
    assert median(seconds for seconds, _ in times) < ANSWER_SECONDS / 2
    server.start()
    server.do("SET", "f:a", "1")
    assert await until_read(opened, "f:a", b"1") < 0.5 + STALL_SECONDS


async def test_frozen_server_delays_few_reads_and_is_read_soon_after(server: Server, opened: RowSource) -> None:
    server.do("SET", "f:a", "1")
    await opened.read(["f:a"])
    server.freeze()
    times = [await timed_read(opened, "f:a") for _ in range(50)]
    assert all(unread(found) for _, found in times)
    assert max(seconds for seconds, _ in times) < ANSWER_SECONDS + STALL_SECONDS
    assert sum(seconds > ANSWER_SECONDS / 2 for seconds, _ in times) <= 5
    await asyncio.sleep(0.7)
    server.thaw()
    assert await until_read(opened, "f:a", b"1") < 0.5 + STALL_SECONDS


async def test_attempts_to_connect_are_few_however_many_reads_there_are() -> None:
    attempts = list[float]()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(monotonic())
        writer.close()

    full = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with full, source(f"redis://127.0.0.1:{full.sockets[0].getsockname()[1]}") as opened:
        for _ in range(200):
            assert unread(await opened.read(["f:a"]))
            await asyncio.sleep(0.005)
    assert 3 <= len(attempts) < 60
    gaps = [after - before for before, after in pairwise(attempts)]
    assert min(gaps) > 0.09
    assert len({round(gap, 2) for gap in gaps}) > 1  # not all processes at once


async def test_one_connection_is_enough_to_read(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.do("SET", "f:a", "1")
        server.do("CONFIG SET", "maxclients", 1)
        async with source(server.url) as opened:
            await until_read(opened, "f:a", b"1")
            await asyncio.sleep(0.5)
            assert await opened.read(["f:a"]) == [b"1"]


async def test_full_server_is_unread_and_said_to_be_full(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.do("CONFIG SET", "maxclients", 1)
        async with source(server.url) as first:
            await until_read(first, "f:a", None)
            with capture_logs() as logs:
                async with source(server.url) as second:
                    assert unread(await second.read(["f:a"]))
                    await asyncio.sleep(0.4)
                    assert unread(await second.read(["f:a"]))
    assert [log["reason"] for log in logs] == ["ERR max number of clients reached"]


async def test_huge_value_counts_as_missing_until_it_is_written_again(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.do("SETRANGE", "f:huge", 300 * 1024 * 1024, "x")
        server.do("SET", "f:a", "1")
        with capture_logs() as logs:
            async with followed(server.url, "f:", answer_seconds=0.1) as (opened, _):
                assert unread(await opened.read(["f:a", "f:huge"]))  # nobody waits until all of it has come
                await until_read(opened, "f:a", b"1")
                await until(lambda: any("too large" in log["event"] for log in logs))
                found = [await opened.read(["f:a", "f:huge"]) for _ in range(50)]
                assert found.count([b"1", None]) > 40  # it is not asked for again, which would make both late
                server.do("SET", "f:huge", "2")
                await until_read(opened, "f:huge", b"2")
        assert [log["key"] for log in logs if "too large" in log["event"]] == ["f:huge"]
    assert SECONDS == 30


async def test_value_a_little_too_large_is_missing_and_not_asked_for_again(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.do("SET", "f:large", b"x" * (MOST_ROW_BYTES + 1))
        server.do("SET", "f:most", b"x" * MOST_ROW_BYTES)
        async with source(server.url) as opened:
            assert await opened.read(["f:large"]) == [None]
            server.do("CONFIG RESETSTAT")
            assert await opened.read(["f:large"]) == [None]
            assert "cmdstat_mget" not in server.do("INFO", "commandstats")
            assert await opened.read(["f:most"]) == [b"x" * MOST_ROW_BYTES]


async def test_refusals_are_unread_and_logged_once(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        server.do("ACL SETUSER", "nobody", "on", ">secret", "+ping")
        with capture_logs() as logs:
            async with source(f"redis://nobody:secret@127.0.0.1:{server.port}") as opened:
                for _ in range(3):
                    assert unread(await opened.read(["f:a"]))
                server.do("ACL SETUSER", "nobody", "+mget", "~f:*")
                assert await opened.read(["f:a"]) == [None]
    assert [log["event"] for log in logs][-2:] == ["features in Redis cannot be read", "features in Redis can be read"]
    assert "NOPERM" in logs[-2]["reason"]


async def test_user_that_may_only_read_features_is_enough(server: Server) -> None:
    server.do("ACL SETUSER", "gateway", "on", ">secret", "~f:*", "+mget", "+strlen", "+ping", "+client|tracking")
    server.do("ACL SETUSER", "default", "resetpass", ">other")
    server_do = {"password": "other"}
    async with followed(f"redis://gateway:secret@127.0.0.1:{server.port}", "f:") as (opened, ear):
        server.do("SET", "f:a", "1", **server_do)
        assert await opened.read(["f:a"]) == [b"1"]
        await until(lambda: b"f:a" in ear.keys)
        with pytest.raises(Unavailable, match="NOPERM"):
            await opened.write([("SET", "f:a", b"2")])
        assert unread(await opened.read(["g:a"]))


async def test_wrong_password_is_unread(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--requirepass", "right") as server, capture_logs() as logs:
        async with source(f"redis://:wrong@127.0.0.1:{server.port}") as opened:
            assert unread(await opened.read(["f:a"]))
        async with source(f"redis://:right@127.0.0.1:{server.port}") as opened:
            assert await opened.read(["f:a"]) == [None]
    assert "WRONGPASS" in logs[0]["reason"]
    assert "right" not in str(logs)


async def test_database_is_the_one_of_the_address(server: Server) -> None:
    server.do("SET", "f:a", "3", db=3)
    async with source(f"{server.url}/3") as opened:
        assert await opened.read(["f:a"]) == [b"3"]


async def test_unix_socket_is_read(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--unixsocket", str(tmp_path / "s")) as server:
        server.do("SET", "f:a", "1")
        async with followed(f"unix://{tmp_path}/s", "f:") as (opened, _):
            assert await opened.read(["f:a"]) == [b"1"]


async def test_tls_is_read_with_a_certificate_of_the_caller(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path, "authority"), Authority(tmp_path, "stranger")
    pair, caller = authority.sign("cache"), authority.sign("gateway")
    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(pair.certificate), "--tls-key-file", str(pair.key)]
    with redis_server(tmp_path, *options, "--tls-ca-cert-file", str(authority.file), debian=True):
        own = f"ssl_certfile={caller.certificate}&ssl_keyfile={caller.key}"
        async with followed(f"rediss://127.0.0.1:{port}?ssl_ca_certs={authority.file}&{own}", "f:") as (opened, ear):
            await opened.write([("SET", "f:a", b"1")])
            assert await opened.read(["f:a"]) == [b"1"]
            await until(lambda: b"f:a" in ear.keys)
        async with source(f"rediss://127.0.0.1:{port}?ssl_ca_certs={stranger.file}&{own}") as opened:
            assert unread(await opened.read(["f:a"]))
        async with source(f"rediss://127.0.0.1:{port}?ssl_ca_certs={authority.file}") as opened:
            assert unread(await opened.read(["f:a"]))


async def test_what_is_no_redis_is_unread() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        async with source(f"redis://127.0.0.1:{port}") as opened:
            assert await opened.read(["f:a"]) == [UNREAD]
