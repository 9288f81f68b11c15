"""Whether the counts of four gateways are exact, two of which are killed and replaced while they are called.

Four workers share a telemetry folder; callers make calls that end with seven codes, and count them.

First every call is traced: each series has as many calls as there are records of it, and the sums of the histograms
are those of the records' own times, to 1e-6. Then no call is traced but those that fail; at a third and at two thirds
of the calls a worker is killed and another takes its place. In the end there are four sheets still, and they have
counted every code as often as the callers have seen it. Calls that were under way at a kill may have been counted or
not, and of each killed worker one call more may be missing: that whose answer it had just handed over. Series of one
call agree with each other. Whatever differs is a problem, and fails the run.

Calls whose deadline has passed are made of workers that are not killed: the native listener's front may answer them
before anybody counts them. That on grpcio may never tell of them, so with it there are none.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from math import fsum, isclose
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import uvloop

from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.others import watched
from benchmarks.measuring.results import Findings, Table
from benchmarks.telemetry.ground import records_in, series_in
from benchmarks.telemetry.mixture import SAMPLED, Kind, Seen, call, kinds
from benchmarks.telemetry.workers import Worker, Workers, open_workers
from gateway.telemetry.families import BACKEND, CALLS, ERRORS, QUEUE, Family
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.layout import Labels, Series
from gateway.telemetry.sheet import SUFFIX, open_sheet
from gateway.telemetry.words import service_and_method

WORKERS = 4
KILLS = (1 / 3, 2 / 3)
TRACED = 4_000  # of all workers together: within the budget for traces
TOLERANCE = 1e-6
LISTENER = "native"
CALLS_PER_SECOND, LEAST_CALLS = 30_000, 6_000  # of the pace, however long they take
WRITTEN_SECONDS = 2.0
LOOK_SECONDS = 0.05

Plan = list[tuple[Worker, list[Kind]]]
Numbers = dict[tuple[str, Labels], tuple[float, int]]


@dataclass(slots=True)
class Verdict:
    """What was compared, and what differs.

    Attributes:
        rows: A comparison, and how it went.
        problems: Whatever differs.
    """

    rows: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def check(self, what: str, wrong: Collection[Any]) -> None:
        """Notes how a comparison went."""
        self.rows.append((what, "differs" if wrong else "exact"))
        self.problems += [f"{what}: {each}" for each in wrong]


def add_up(series: Collection[Series], *families: Family) -> Numbers:
    """Returns sum and count of histograms, all sheets together, by family and labels."""
    found: dict[tuple[str, Labels], list[tuple[float, ...]]] = defaultdict(list)
    for each in series:
        if each.family in families:
            found[each.family.name, each.labels].append(each.values)
    return {
        key: (fsum(values[0] for values in parts), int(fsum(fsum(values[1:]) for values in parts)))
        for key, parts in found.items()
    }


def recompute(records: Collection[dict[str, Any]]) -> Numbers:
    """Returns what the histograms should have, from the times that the records of single calls tell."""
    seconds: dict[tuple[str, Labels], list[float]] = defaultdict(list)
    for record in records:
        if record["kind"] != "call":
            continue
        version = str(record["version"] or "")
        labels = (record["tenant"], *service_and_method(record["path"]), record["model"], version, record["arm"])
        seconds[CALLS.name, (*labels, record["code_name"])].append(record["seconds"])
        stages = {name: length for name, _, length, _ in record["stages"]}
        if record["batches"]:
            seconds[QUEUE.name, labels].append(stages["queue"])
            seconds[BACKEND.name, labels].append(stages["inference"])
    return {key: (fsum(values), len(values)) for key, values in seconds.items()}


def differences(counted: Numbers, expected: Numbers) -> list[str]:
    """Says which histograms differ in their count, or by more than the tolerance in their sum."""
    counted = {key: numbers for key, numbers in counted.items() if numbers[1]}
    return [
        f"{key} has {counted.get(key)}, not {expected.get(key)}"
        for key in counted.keys() | expected.keys()
        if key not in counted
        or key not in expected
        or counted[key][1] != expected[key][1]
        or not isclose(counted[key][0], expected[key][0], rel_tol=TOLERANCE)
    ]


def rounding(observations: int) -> float:
    """Returns by which share the sum of a histogram is off after so many observations, from rounding alone."""
    draw = Random(1)  # noqa: S311 - no secret
    values = [draw.expovariate(200.0) for _ in range(observations)]
    with TemporaryDirectory(prefix="gapura-") as folder:
        sheet = open_sheet(Path(folder), "gateway")
        histogram = Instruments(sheet).histogram(QUEUE, *QUEUE.labels)
        for value in values:
            histogram.observe(value)
        total = sheet.series()[0].values[0]
        sheet.close()
    return abs(total / fsum(values) - 1)


async def trace_all(workers: Workers, plan: Plan, verdict: Verdict) -> Seen:
    """Makes calls that are all traced, and compares their records with the histograms."""
    seen, left = Seen(), iter(range(TRACED))
    traced = [(worker, [replace(kind, headers=(*kind.headers, SAMPLED)) for kind in wanted]) for worker, wanted in plan]
    await asyncio.gather(*(call(worker, wanted, left, seen) for worker, wanted in traced))
    await asyncio.sleep(WRITTEN_SECONDS)
    counted = add_up(series_in(workers.telemetry), CALLS, QUEUE, BACKEND)
    expected = recompute(records_in(workers.telemetry))
    what = f"counts and sums of {len(expected)} histograms, against the records of {seen.codes.total():,} calls"
    verdict.check(what, differences(counted, expected))
    return seen


async def count_all(workers: Workers, plan: Plan, calls: int, seen: Seen) -> None:
    """Makes all further calls; workers are killed and replaced meanwhile."""
    left = iter(range(calls))
    before = seen.codes.total()
    calling = [asyncio.create_task(call(worker, wanted, left, seen)) for worker, wanted in plan]
    for victim, share in enumerate(KILLS):
        while seen.codes.total() - before < share * calls:
            await asyncio.sleep(LOOK_SECONDS)
        worker, wanted = plan[victim]
        worker.kill()
        replacement = await asyncio.to_thread(workers.start)
        calling.append(asyncio.create_task(call(replacement, wanted, left, seen)))
    await asyncio.gather(*calling)


def by_code(series: Collection[Series]) -> Counter[str]:
    """Returns how many calls all sheets have counted, by code."""
    codes: Counter[str] = Counter()
    for (_, labels), (_, number) in add_up(series, CALLS).items():
        codes[labels[-1]] += number
    return +codes


def code_differences(counted: Counter[str], seen: Seen) -> Iterator[str]:
    """Says which codes were not counted as often as they were seen, kills aside."""
    for code in sorted(counted.keys() | seen.codes.keys()):
        if not -len(KILLS) <= counted[code] - seen.codes[code] <= seen.lost:
            yield f"{code} was counted {counted[code]:,} times and seen {seen.codes[code]:,} times"
    more = counted.total() - seen.codes.total()
    if not -len(KILLS) <= more <= seen.lost:
        yield f"{more} calls more were counted than seen, and {seen.lost} were under way at the kills"


def family_differences(series: Collection[Series]) -> Iterator[str]:
    """Says where series of the same calls differ by more than the calls that a kill interrupted."""
    failed: Counter[Labels] = Counter()
    for (_, (tenant, service, _, model, _, _, code)), (_, number) in add_up(series, CALLS).items():
        failed[tenant, service, model, code] += number if code != "OK" else 0
    for each in series:
        if each.family is ERRORS:
            failed[each.labels[:-1]] -= int(each.values[0])
    yield from (f"errors and calls of {labels}: {more}" for labels, more in failed.items() if abs(more) > len(KILLS))
    queued, computed = add_up(series, QUEUE), add_up(series, BACKEND)
    for (_, labels), (_, number) in queued.items():
        more = number - computed[BACKEND.name, labels][1]
        if abs(more) > len(KILLS):
            yield f"calls that waited and calls that were computed, of {labels}: {more}"


async def compare(workers: Workers, listener: str, calls: int, findings: Findings) -> None:
    """Goes through everything."""
    verdict = Verdict()
    off = rounding(calls)
    verdict.check(f"sum of {calls:,} observations: off by {off:.1e}", [off] if off > TOLERANCE else [])
    plan = [
        (workers.start(), kinds(workers.keys, late=listener == "native" and number >= len(KILLS)))
        for number in range(WORKERS)
    ]
    seen = await trace_all(workers, plan, verdict)
    start = monotonic()
    await count_all(workers, plan, calls - TRACED, seen)
    rate = (calls - TRACED) / (monotonic() - start)
    series = series_in(workers.telemetry)
    counted = by_code(series)
    verdict.check("calls by code, kills aside", [*code_differences(counted, seen)])
    verdict.check("series of the same calls, kills aside", [*family_differences(series)])
    sheets = sorted(path.name for path in workers.telemetry.glob(f"*{SUFFIX}"))
    verdict.check(f"{len(sheets)} sheets", sheets if len(sheets) != WORKERS else [])
    title = (
        f"{seen.codes.total():,} calls, {rate:,.0f}/s, of which {seen.lost} were under way when their worker was killed"
    )
    rows = tuple((code, number, seen.codes[code]) for code, number in counted.most_common())
    findings.tables += [
        Table(title, ("code", "counted", "seen"), rows),
        Table("compared", ("", ""), tuple(verdict.rows)),
    ]
    findings.problems += [*verdict.problems, *seen.problems]


def measure(pace: Pace) -> Findings:
    """Runs the part; a thorough run makes a million calls."""
    findings, calls = Findings(), max(round(CALLS_PER_SECOND * pace.rounds * pace.seconds), LEAST_CALLS)
    with watched(findings), open_workers(LISTENER) as workers:
        uvloop.run(compare(workers, LISTENER, calls, findings))
    return findings
