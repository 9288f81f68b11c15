"""What 64 callers of stored features notice when Redis dies, hangs, is slow, fails over, is full, or holds rubbish.

Real servers, and a reader as the gateway has it, with a budget of 20 ms; every lookup is checked: a fresh or a stale
row has the values that were stored, anything else the defaults, and says so. Each case lasts so many seconds.

A bar is missed when a hundredth of the lookups takes longer than the budget and 5 ms, when not all are fresh again a
second after the trouble is over, or when Redis gets more than twice its usual requests in that second. Where time is
short, only some of it happens.
"""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import uvloop
from structlog.testing import capture_logs

from benchmarks.features.rows import make_view, values_of
from benchmarks.features.troubles import ENTITIES, Trouble, troubles
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.others import watched
from benchmarks.measuring.results import Bar, Cell, Findings, Table
from gateway.feature_views import Features, FeatureStatus, FeatureView, Lookup
from gateway.features.opening import StoredFeatures
from gateway.features.reader import Reader
from gateway.features.redis.opening import open_source

CALLERS = 64
PAUSE_SECONDS = 0.01
BUDGET_SECONDS, ALLOWED_SECONDS = 0.02, 0.005
COPY_SECONDS = 2.0  # so short that Redis is always asked
SEED = 5
FEW = ("nothing", "killed", "SIGSTOP", "corrupt rows")
MOST_TOLD = 3
COLUMNS = ("", "lookups", "p99 ms", "max ms", "features", "fresh again, s", "requests/s before", "in the second after")


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

    def row(self) -> tuple[Cell, ...]:
        """Returns a row of `COLUMNS`."""
        statuses = Counter(each.status.name for each in self.during)
        told = ", ".join(f"{name} {count / len(self.during):.1%}" for name, count in statuses.most_common())
        p99, most = (round(self.slowest(share) * 1000, 1) for share in (0.99, 1.0))
        return self.trouble, len(self.during), p99, most, told, round(self.again, 2), round(self.usual), self.first

    def bars(self) -> Iterator[Bar]:
        """Yields what is promised."""
        most_ms = (BUDGET_SECONDS + ALLOWED_SECONDS) * 1000
        yield Bar(f"{self.trouble}, p99 ms", self.slowest(0.99) * 1000, at_most=most_ms)
        yield Bar(f"{self.trouble}, seconds until all are fresh again", self.again, at_most=1.0)
        if self.began_well:
            yield Bar(
                f"{self.trouble}, requests in the second after it over usual ones", self.first / self.usual, at_most=2
            )


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


async def go_through_some(folder: Path, seconds: float, cases: Collection[str]) -> list[Outcome]:
    """Goes through cases of what may happen, one after the other; through all where none is named."""
    async with troubles(folder) as all_of_them:
        return [await go_through(each, seconds) for each in all_of_them if not cases or each.name in cases]


def measure(pace: Pace) -> Findings:
    """Runs the part."""
    findings = Findings()
    with watched(findings), capture_logs(), tempfile.TemporaryDirectory() as folder:
        outcomes = uvloop.run(go_through_some(Path(folder), pace.seconds, FEW if pace.rough else ()))
    told = f"{CALLERS} callers, {BUDGET_SECONDS * 1000:.0f} ms of budget, {pace.seconds:g} s each"
    findings.tables.append(Table(told, COLUMNS, tuple(outcome.row() for outcome in outcomes)))
    for outcome in outcomes:
        findings.bars += outcome.bars()
        findings.problems += [f"{outcome.trouble}: {problem}" for problem in outcome.problems[:MOST_TOLD]]
    return findings
