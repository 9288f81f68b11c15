"""Rows of a real cluster of three primaries, while some are away, slots move and replicas take over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.features.redis.slots import part_of_command, part_of_key
from gateway.features.source import UNREAD
from tests.gateway.features.redis.reading import (
    ANSWER_SECONDS,
    STALL_SECONDS,
    followed,
    source,
    timed_read,
    until,
    until_read,
)
from tests.redis_servers import Cluster, Server, redis_cluster, settled, wait_until

KEYS = [f"f:v.1:{index}" for index in range(100)]


@pytest.fixture(scope="module", params=[False, True], ids=["valkey", "redis-7.0"])
def lasting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with redis_cluster(tmp_path_factory.mktemp("cluster"), replicas=1, debian=request.param) as running:
        yield running


@pytest.fixture
def cluster(lasting: Cluster) -> Cluster:
    for server in lasting.primaries:
        server.do("FLUSHALL")
    for key in KEYS:
        lasting.owner(key).do("SET", key, key)
    return lasting


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Cluster]:
    with redis_cluster(tmp_path, replicas=1) as running:
        for key in KEYS:
            running.owner(key).do("SET", key, key)
        yield running


def rows() -> list[bytes]:
    return [key.encode() for key in KEYS]


async def test_rows_of_all_servers_are_read_together(cluster: Cluster) -> None:
    async with source(cluster.url) as opened:
        assert await opened.read([*KEYS, "f:none"]) == [*rows(), None]
        assert await opened.check()


async def test_one_server_that_is_known_is_enough_to_find_the_others(cluster: Cluster) -> None:
    async with source(f"redis+cluster://127.0.0.1:1,127.0.0.1:{cluster.primaries[1].port}") as opened:
        assert await opened.read(KEYS) == rows()


async def test_commands_go_to_the_servers_of_their_keys(cluster: Cluster) -> None:
    script = "redis.call('SET', KEYS[1], ARGV[1]) return 1"
    async with source(cluster.url) as opened:
        answers = await opened.write([("EVAL", script, 1, key, b"new") for key in KEYS])
        assert answers == [1] * len(KEYS)
        assert await opened.write([("XADD", "features:pushes:v", "1-1", "row", b"1")]) == [b"1-1"]
        assert await opened.read(KEYS) == [b"new"] * len(KEYS)


async def test_key_of_another_type_is_missing(cluster: Cluster) -> None:
    cluster.owner("f:list").do("LPUSH", "f:list", "1")
    async with source(cluster.url) as opened:
        assert await opened.read(["f:list", KEYS[0]]) == [None, rows()[0]]


@pytest.mark.parametrize("key", ["f:a", "f:{a}:1", "f:{}a", "f:{{a}}", "f:}a{b", "f:é{ü}", "f:{a}{b}"])
def test_slots_are_those_of_the_servers(cluster: Cluster, key: str) -> None:
    assert part_of_key(key)[0] == cluster.primaries[0].do("CLUSTER KEYSLOT", key)
    assert part_of_command(("EVAL", "return 1", 1, key, b"row"))[0] == part_of_key(key)[0]
    assert part_of_command(("SET", key.encode(), b"row"))[0] == part_of_key(key)[0]


async def test_changes_of_all_servers_are_told(cluster: Cluster) -> None:
    async with followed(cluster.url, "f:v.1:") as (opened, ear):
        await opened.write([("SET", key, b"1") for key in KEYS])
        await until(lambda: set(ear.keys) == set(rows()))


async def test_slot_on_its_way_is_read_where_its_key_is(cluster: Cluster) -> None:
    source_, target = cluster.owner(KEYS[0]), next(each for each in cluster.primaries if each != cluster.owner(KEYS[0]))
    slot = source_.do("CLUSTER KEYSLOT", KEYS[0])
    async with source(cluster.url) as opened:
        assert await opened.read(KEYS) == rows()
        target.do("CLUSTER SETSLOT", slot, "IMPORTING", name(source_))
        source_.do("CLUSTER SETSLOT", slot, "MIGRATING", name(target))
        source_.do("MIGRATE", "127.0.0.1", target.port, KEYS[0], 0, 1000)
        assert await opened.read(KEYS) == rows()  # by ASK
        assert await opened.write([("SET", KEYS[0], b"new")]) == [b"OK"]
        for server in (target, source_):
            server.do("CLUSTER SETSLOT", slot, "NODE", name(target))
        assert await opened.read(KEYS[:1]) == [b"new"]  # by MOVED
        wait_until(lambda: all(settled(server) for server in cluster.primaries))
    target.do("CLUSTER SETSLOT", slot, "MIGRATING", name(source_))
    source_.do("CLUSTER SETSLOT", slot, "IMPORTING", name(target))
    target.do("MIGRATE", "127.0.0.1", source_.port, KEYS[0], 0, 1000)
    for server in (source_, target):
        server.do("CLUSTER SETSLOT", slot, "NODE", name(source_))


async def test_only_rows_of_a_killed_server_are_unread_until_its_replica_takes_over(fragile: Cluster) -> None:
    wait_until(lambda: fragile.replicas[0].do("DBSIZE") == fragile.primaries[0].do("DBSIZE"))
    async with followed(fragile.url, "f:v.1:") as (opened, ear):
        assert await opened.read(KEYS) == rows()
        fragile.primaries[0].kill()
        seconds, found = await timed_read(opened, *KEYS)
        own = [fragile.owner(key) is fragile.primaries[0] for key in KEYS]
        assert found == [UNREAD if away else row for away, row in zip(own, rows(), strict=True)]
        assert seconds < 2 * ANSWER_SECONDS + STALL_SECONDS
        await until(lambda: ear.told == ["followed", "lost"])
        gone = KEYS[own.index(True)]
        assert await until_read(opened, gone, gone.encode(), seconds=10) < 5 + STALL_SECONDS
        await until(lambda: ear.follows)
        await opened.write([("SET", gone, b"new")])
        await until(lambda: gone.encode() in ear.keys)


async def test_rows_of_a_frozen_server_delay_the_others_twice_at_most(fragile: Cluster) -> None:
    async with source(fragile.url) as opened:
        assert await opened.read(KEYS) == rows()
        fragile.primaries[1].freeze()  # the one without a replica
        times = [await timed_read(opened, *KEYS) for _ in range(50)]
        own = [fragile.owner(key) is fragile.primaries[1] for key in KEYS]
        assert times[-1][1] == [UNREAD if away else row for away, row in zip(own, rows(), strict=True)]
        assert max(seconds for seconds, _ in times) < 2 * ANSWER_SECONDS + STALL_SECONDS
        assert sum(seconds > ANSWER_SECONDS / 2 for seconds, _ in times) <= 5
        fragile.primaries[1].thaw()
        gone = KEYS[own.index(True)]
        assert await until_read(opened, gone, gone.encode()) < 1.5 + STALL_SECONDS


def name(server: Server) -> str:
    found: bytes | str = server.do("CLUSTER MYID")
    return found.decode() if isinstance(found, bytes) else found
