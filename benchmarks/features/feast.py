"""GetOnlineFeatures beside Feast's own `get_online_features`: CPU of who answers, per 1,000 calls.

Feast reads in the process of its caller, one call after the other; it runs in a virtual environment that is made in
`var/bench/feast`. Gapura is measured in its own way too: the endpoint of the service in this process, from the bytes of
a request to those of the answer; and `gapura feature-store`, to which callers come over gRPC, without what they need
themselves. Each is measured with rows in memory, as it is unless it is told otherwise, and with rows that have to be
read from Redis for every call. One Valkey has the rows of both: 20 float32 features, in calls of 1 and of 64 entities
drawn at random. The contestants take turns; every figure is the median of the rounds. Before, all of them have to
answer what was stored.

The endpoint as it is by default is to take a twentieth of Feast's CPU at most.
"""

import random
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import median

import redis
import uvloop
from structlog.testing import capture_logs

from benchmarks.features import feast_process
from benchmarks.features.contestants import ENTITIES, FEAST, Contestant, contestants, declaration
from benchmarks.features.feast_process import Wanted
from benchmarks.features.rows import store_rows, values_of
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.others import watched
from benchmarks.measuring.ratios import ratio_of
from benchmarks.measuring.results import Cell, Findings, Table
from benchmarks.measuring.verification import WrongAnswerError
from benchmarks.redis_servers import redis_server
from gateway.feature_views import FeatureView

CALLERS = 64
SIZES = {1: "1 entity", 64: "64 entities"}  # of a call
DECISIVE = "in process, from memory"
LEAST_RATIO = 20.0


async def check(contestant: Contestant) -> None:
    """Compares every row with what was stored; those that keep rows in memory have all of them afterwards.

    Raises:
        WrongAnswerError: One is another.
    """
    for start in range(0, ENTITIES, 400):
        numbers = range(start, start + 400)
        rows = await contestant.read([f"e{number}" for number in numbers])
        if rows != [values_of(number) for number in numbers]:
            raise WrongAnswerError(f"{contestant.name} answers something else than what was stored")


def draw(seed: random.Random, calls: int, size: int) -> Wanted:
    """Draws the entities of calls."""
    return [[f"e{number}" for number in seed.sample(range(ENTITIES), size)] for _ in range(calls)]


async def compare(folder: Path, url: str, rounds: int, callers: int) -> dict[tuple[str, int], list[float]]:
    """Lets all take turns; returns CPU seconds per 1,000 calls of each round, by contestant and entities of a call."""
    with redis.Redis.from_url(url) as client:
        store_rows(client, FeatureView.read(declaration()), ENTITIES)
    seed = random.Random(7)  # noqa: S311 - no secret
    figures: dict[tuple[str, int], list[float]] = {}
    async with contestants(folder, url, callers) as opened:
        for contestant in opened:
            await check(contestant)
        for _ in range(rounds):
            for contestant in opened:
                for size in SIZES:
                    calls = contestant.calls[size]
                    seconds = await contestant.measure(draw(seed, calls, size))
                    figures.setdefault((contestant.name, size), []).append(seconds / calls * 1000)
    return figures


def measure(pace: Pace) -> Findings:
    """Runs the part, where there is time for it and Feast can be installed."""
    findings = Findings()
    if why := prevented(pace):
        findings.tables.append(Table("not measured", ("",), ((why,),)))
        return findings
    with (
        watched(findings),
        capture_logs(),
        tempfile.TemporaryDirectory() as folder,
        redis_server(Path(folder)) as valkey,
    ):
        figures = uvloop.run(compare(Path(folder), valkey.url, pace.rounds, CALLERS))
    names = list(dict.fromkeys(name for name, _ in figures))
    columns = ("", *chain.from_iterable((told, "Feast has") for told in SIZES.values()))
    rows = tuple((name, *chain.from_iterable(cells(figures, name, size) for size in SIZES)) for name in names)
    findings.tables.append(Table("CPU s per 1,000 calls", columns, rows))
    findings.figures["cpu_per_1000"] = {
        name: {told: figures[name, size] for size, told in SIZES.items()} for name in names
    }
    for size, told in SIZES.items():
        ratio = ratio_of(figures[FEAST, size], figures[DECISIVE, size])
        findings.compare(f"CPU of Feast over {DECISIVE}, {told}", ratio, at_least=LEAST_RATIO)
    return findings


def prevented(pace: Pace) -> str:
    """Installs Feast where it is not yet; says why it cannot be measured."""
    if pace.rough:
        return "it takes minutes: leave --quick out"
    try:
        feast_process.install()
    except subprocess.CalledProcessError as error:
        return f"{feast_process.REQUIREMENT} cannot be installed: {error}"
    return ""


def cells(figures: Mapping[tuple[str, int], Sequence[float]], name: str, size: int) -> tuple[Cell, Cell]:
    """Returns what calls of a size cost somebody, and how many times as much they cost Feast."""
    ratio = ratio_of(figures[FEAST, size], figures[name, size])
    return round(median(figures[name, size]), 4), f"{ratio.median:.1f} x"
