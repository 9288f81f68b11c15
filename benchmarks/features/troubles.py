"""What may happen to a Redis of features: it dies, hangs, is slow, fails over, is full, or holds rubbish."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from benchmarks.delaying_proxy import delaying_proxy
from benchmarks.features.rows import make_view, store_rows
from benchmarks.redis_servers import Server, sentinel

ENTITIES = 4_000
SLOW_SECONDS = 0.05
HUGE_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class Trouble:
    """What may happen.

    Attributes:
        name: What it is called.
        url: What the reader is given.
        begin: Begins it.
        end: Mends it.
    """

    name: str
    url: str
    begin: Callable[[], object]
    end: Callable[[], object]


def kept(folder: Path) -> Server:
    """Returns a server that has its rows again after a restart."""
    folder.mkdir()
    return Server(
        folder, "--appendonly", "yes", "--appendfsync", "no", "--dir", str(folder), "--enable-debug-command", "yes"
    )


@asynccontextmanager
async def troubles(folder: Path) -> AsyncIterator[list[Trouble]]:
    """Yields everything that may happen, each to servers of its own."""
    async with AsyncExitStack() as stack:
        servers: dict[str, Server] = {}
        for name in ("nothing", "killed", "frozen", "slow", "full", "rubbish", "huge", "absent"):
            servers[name] = server = kept(folder / name)
            server.start()
            stack.callback(server.kill)
            fill(server.url)
        servers["absent"].kill()
        proxy = await stack.enter_async_context(delaying_proxy(f"127.0.0.1:{servers['slow'].port}"))
        (folder / "watched").mkdir()
        watched = stack.enter_context(sentinel(folder / "watched"))
        fill(watched.primary.url)
        yield [
            Trouble("nothing", servers["nothing"].url, nothing, nothing),
            Trouble("killed", servers["killed"].url, servers["killed"].kill, servers["killed"].start),
            Trouble("absent at the start", servers["absent"].url, nothing, servers["absent"].start),
            Trouble("SIGSTOP", servers["frozen"].url, servers["frozen"].freeze, servers["frozen"].thaw),
            Trouble("50 ms slow", f"redis://{proxy.address}", *delays(proxy)),
            Trouble("Sentinel fails over", watched.url, watched.primary.kill, nothing),
            Trouble("no connections left", servers["full"].url, *fullness(servers["full"])),
            Trouble("corrupt rows", servers["rubbish"].url, *rubbish(servers["rubbish"].url)),
            Trouble("a row of 200 MB", servers["huge"].url, *huge(servers["huge"].url)),
        ]


def fill(url: str) -> None:
    """Stores the rows."""
    with redis.Redis.from_url(url) as client:
        store_rows(client, make_view(), ENTITIES)


def nothing() -> None:
    """Does nothing."""


def delays(proxy: Any) -> tuple[Callable[[], None], Callable[[], None]]:
    """Returns what makes a proxy slow, and what ends that."""

    def begin() -> None:
        proxy.delay_seconds = SLOW_SECONDS

    def end() -> None:
        proxy.delay_seconds = 0.0

    return begin, end


def fullness(server: Server) -> tuple[Callable[[], None], Callable[[], None]]:
    """Returns what makes a server take one connection, which somebody else has, and what ends that."""
    client: Any = redis.Redis.from_url(server.url, single_connection_client=True)

    def begin() -> None:
        client.ping()
        client.config_set("maxclients", 1)
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def end() -> None:
        client.config_set("maxclients", 10_000)

    return begin, end


def rubbish(url: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """Returns what spoils every tenth row, and what stores them again."""

    def begin() -> None:
        with redis.Redis.from_url(url) as client:
            spoiled = {f"f:bench.1:e{number}": os.urandom(number % 200) for number in range(0, ENTITIES, 10)}
            client.mset(spoiled)
            client.delete("f:bench.1:e5")
            client.lpush("f:bench.1:e5", "a list")

    def end() -> None:
        with redis.Redis.from_url(url) as client:
            client.delete("f:bench.1:e5")
        fill(url)

    return begin, end


def huge(url: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """Returns what makes one row huge, and what stores it again."""

    def begin() -> None:
        with redis.Redis.from_url(url) as client:
            client.setrange("f:bench.1:e7", HUGE_BYTES, b"x")

    def end() -> None:
        fill(url)

    return begin, end
