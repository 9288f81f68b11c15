"""What 64 callers of stored features notice when Redis dies, hangs, is slow, fails over, is full, or holds rubbish.

    python -m benchmarks.features.outages [--seconds 4] [--only NAME]

Real servers, and a reader as the gateway has it, with a budget of 20 ms; every lookup is checked: a fresh or a stale
row has the values that were stored, anything else the defaults, and says so. Each case lasts so many seconds.

It ends with status 1 when a lookup fails or is not marked, when a hundredth of them takes longer than the budget and
5 ms, when not all are fresh again a second after the trouble is over, or when Redis gets more than twice its usual
requests in that second.
"""

import argparse
import asyncio
import os
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import redis
import uvloop

from benchmarks.features.rows import make_view, store_rows, values_of
from gateway.feature_views import Features, FeatureStatus, FeatureView, Lookup
from gateway.features.opening import StoredFeatures
from gateway.features.reader import Reader
from gateway.features.redis.opening import open_source
from tests.chaos.delaying_proxy import delaying_proxy
from tests.redis_servers import Server, sentinel

CALLERS, ENTITIES = 64, 4_000
PAUSE_SECONDS = 0.01
BUDGET_SECONDS, ALLOWED_SECONDS = 0.02, 0.005
COPY_SECONDS = 2.0  # so short that Redis is always asked
SLOW_SECONDS = 0.05
HUGE_BYTES = 200_000_000
SEED = 5


@dataclass(frozen=True, slots=True)
class Looked:
    """One lookup.

    Attributes:
        started: In seconds of `monotonic`.
        seconds: How long it took.
        status: How good the features were.
        problem: What is wrong with them, or nothing.
    """

    started: float
    seconds: float
    status: FeatureStatus
    problem: str


@dataclass(slots=True)
class Crowd:
    """Callers that look entities up until they are told to stop.

    Attributes:
        reader: Whom they ask.
        view: What they look up.
        looked: What they got.
    """

    reader: Reader
    view: FeatureView
    looked: list[Looked] = field(default_factory=list)

    async def call(self, seed: int) -> None:
        """Looks up one entity after the other."""
        draw = random.Random(seed)  # noqa: S311 - no secret
        while True:
            number = draw.randrange(ENTITIES)
            wanted = (Lookup(self.view, f"e{number}"),)
            started = monotonic()
            (found,) = self.reader.peek(wanted) or await self.reader.fetch(wanted)
            self.looked.append(Looked(started, monotonic() - started, found.status, self.problem(number, found)))
            await asyncio.sleep(PAUSE_SECONDS * (0.5 + draw.random()))

    def problem(self, number: int, found: Features) -> str:
        """Says what is wrong with features."""
        marked = found.status in {FeatureStatus.FRESH, FeatureStatus.STALE}
        expected = values_of(number) if marked else self.view.blank()
        return "" if found.values == expected else f"e{number} is {found}"

    def between(self, start: float, end: float) -> list[Looked]:
        """Returns the lookups that started in a while."""
        return [each for each in self.looked if start <= each.started < end]


@asynccontextmanager
async def crowd(url: str, number: int) -> AsyncIterator[Crowd]:
    """Runs the callers; the reader is at work a second before they are heard of."""
    reader = StoredFeatures(open_source(url), BUDGET_SECONDS, ENTITIES, COPY_SECONDS)
    callers = Crowd(reader, make_view())
    reader.follow([callers.view])
    tasks = [asyncio.create_task(reader.run())]
    await asyncio.sleep(0.3)
    tasks += [asyncio.create_task(callers.call(SEED + each)) for each in range(number)]
    try:
        yield callers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await reader.close()


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it.

    Attributes:
        trouble: What happened.
        during: Lookups meanwhile.
        problems: What was wrong with features, at any time.
        began_well: Whether rows were fresh before.
        usual: Requests a second before.
        first: Requests in the first second after.
        again: Seconds until all features were fresh again.
    """

    trouble: str
    during: Sequence[Looked]
    problems: Sequence[str]
    began_well: bool
    usual: float
    first: int
    again: float

    def slowest(self, share: float) -> float:
        """Returns the seconds that a share of the lookups did not take."""
        seconds = sorted(each.seconds for each in self.during)
        return seconds[min(int(len(seconds) * share), len(seconds) - 1)]

    def __str__(self) -> str:
        statuses = Counter(each.status.name for each in self.during)
        told = ", ".join(f"{name} {count / len(self.during):.1%}" for name, count in statuses.most_common())
        p99, most = self.slowest(0.99) * 1000, self.slowest(1.0) * 1000
        return (
            f"{self.trouble:22} {len(self.during):6,d} lookups   p99 {p99:5.1f} ms   max {most:5.0f} ms   {told}\n"
            f"{'':22} fresh again after {self.again:.2f} s   requests {self.usual:.0f}/s before, "
            f"{self.first} in the first second"
        )

    def missed(self) -> list[str]:
        """Returns which bars are missed."""
        p99 = self.slowest(0.99)
        bars = {
            f"p99 {p99 * 1000:.1f} ms": p99 <= BUDGET_SECONDS + ALLOWED_SECONDS,
            f"fresh again after {self.again:.2f} s": self.again <= 1.0,
            f"{self.first} requests in the first second": not self.began_well or self.first <= 2 * self.usual,
        }
        return [
            f"{self.trouble}: {told}" for told in (*self.problems[:3], *(told for told, met in bars.items() if not met))
        ]


async def go_through(trouble: Trouble, seconds: float, callers: int = CALLERS) -> Outcome:
    """Lets it happen, and mends it."""
    async with crowd(trouble.url, callers) as asking:
        counts = asking.reader.counts
        await asyncio.sleep(1.0)
        before, began = counts.reads, monotonic()
        await asyncio.sleep(seconds)
        usual = (counts.reads - before) / (monotonic() - began)
        began = monotonic()
        await asyncio.to_thread(trouble.begin)
        await asyncio.sleep(seconds)
        ended = monotonic()
        await asyncio.to_thread(trouble.end)
        mended, reads = monotonic(), counts.reads
        await asyncio.sleep(1.0)
        first = counts.reads - reads
        await asyncio.sleep(1.0)
    after = asking.between(mended, monotonic())
    return Outcome(
        trouble.name,
        asking.between(began, ended),
        [each.problem for each in asking.looked if each.problem],
        any(each.status is FeatureStatus.FRESH for each in asking.between(0.0, began)),
        usual,
        first,
        max((each.started for each in after if each.status is not FeatureStatus.FRESH), default=mended) - mended,
    )


async def run(folder: Path, seconds: float, only: str) -> list[str]:
    """Goes through all that may happen."""
    missed: list[str] = []
    async with troubles(folder) as all_of_them:
        for trouble in all_of_them:
            if only in trouble.name:
                outcome = await go_through(trouble, seconds)
                print(outcome, flush=True)
                missed += outcome.missed()
    return missed


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        missed = uvloop.run(run(Path(folder), chosen.seconds, chosen.only))
    raise SystemExit("\n".join(missed) if missed else 0)


if __name__ == "__main__":
    main()
