"""What a lookup costs: CPU per entity on a miss and on a hit, at 64 callers, beside a bare MGET of as many keys.

A real Valkey in a process of its own. The contestants take turns in one run; each figure is the median of the rounds,
and the lowest is told too, since other work on the machine only ever adds. Every row is compared with what was stored.
"""

import asyncio
import gc
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import redis
import uvloop
from redis.asyncio import Redis
from structlog.testing import capture_logs

from benchmarks.features.rows import make_view, store_rows, values_of
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.others import watched
from benchmarks.measuring.results import Bar, Findings, Table
from benchmarks.redis_servers import redis_server
from gateway.feature_views import FeatureView, Lookup
from gateway.features.opening import StoredFeatures
from gateway.features.reader import Reader
from gateway.features.redis.opening import open_source
from gateway.features.shelf import Shelf

CALLERS, ENTITIES = 64, 6_400
HITS = 64_000
MOST_US = {"miss": 8.0, "hit": 0.5}

Contestant = Callable[[], Awaitable[int]]


async def look_up(reader: Reader, asked: Iterator[tuple[Lookup]]) -> None:
    """Looks entities up, one after the other, as the pipeline does."""
    for wanted in asked:
        reader.peek(wanted) or await reader.fetch(wanted)


def lookups(view: FeatureView) -> list[tuple[Lookup]]:
    """Returns what looks up each entity."""
    return [(Lookup(view, f"e{number}"),) for number in range(ENTITIES)]


def contestants(reader: Reader, view: FeatureView, client: Any, callers: int) -> dict[str, Contestant]:
    """Returns what is measured, by name: each does its work and says how many entities that were."""
    everybody = lookups(view)
    wanted = everybody[:callers]
    together = tuple(lookup for (lookup,) in wanted)
    keys = [
        [f"f:bench.1:e{number}" for number in range(start, start + callers)] for start in range(0, ENTITIES, callers)
    ]

    async def misses() -> int:
        shelf: Shelf = reader.shelf(view)
        shelf.doubt()
        asked = iter(everybody)
        await asyncio.gather(*(look_up(reader, asked) for _ in range(callers)))
        return ENTITIES

    async def hits() -> int:
        for _ in range(HITS // callers):
            for each in wanted:
                reader.peek(each)
        return HITS

    async def hits_together() -> int:
        for _ in range(HITS // callers):
            reader.peek(together)
        return HITS

    async def bare() -> int:
        for some in keys:
            await client.mget(some)
        return ENTITIES

    return {"bare MGET": bare, "miss": misses, "hit": hits, f"hit, {callers} of one call": hits_together}


async def take_turns(url: str, callers: int, rounds: int) -> dict[str, list[float]]:
    """Lets the contestants take turns; returns CPU microseconds per entity of each round."""
    view = make_view()
    with redis.Redis.from_url(url) as client:
        store_rows(client, view, ENTITIES)
    reader = StoredFeatures(open_source(url), budget_seconds=1.0, copies=ENTITIES, copy_seconds=3600.0)
    reader.follow([view])
    running = asyncio.create_task(reader.run())
    await asyncio.sleep(2.0)  # rows of data that went live a moment ago are not believed for long
    await look_up(reader, iter(lookups(view)))
    for number in range(ENTITIES):
        (found,) = reader.peek((Lookup(view, f"e{number}"),)) or []
        assert found.values == values_of(number)
    figures: dict[str, list[float]] = {}
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)  # as the gateway
    async with Redis.from_url(url) as client:
        for _ in range(rounds):
            for name, work in contestants(reader, view, client, callers).items():
                began = process_time()
                entities = await work()
                figures.setdefault(name, []).append((process_time() - began) / entities * 1e6)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await reader.close()
    return figures


def measure(pace: Pace) -> Findings:
    """Runs the part; a round is so much work, however long it takes."""
    findings = Findings()
    with (
        watched(findings),
        capture_logs(),
        tempfile.TemporaryDirectory() as folder,
        redis_server(Path(folder)) as server,
    ):
        seen = uvloop.run(take_turns(server.url, CALLERS, pace.rounds))
    rows = tuple((name, round(median(each), 2), round(min(each), 2)) for name, each in seen.items())
    findings.tables.append(Table(f"CPU of one entity, µs, {CALLERS} callers", ("", "median", "lowest"), rows))
    findings.figures["microseconds"] = seen
    for name, most in MOST_US.items():
        spread = f"{min(seen[name]):.2f} to {max(seen[name]):.2f}"
        findings.bars.append(Bar(f"µs of CPU, {name}", median(seen[name]), at_most=most, spread=spread))
    return findings
