"""One contestant under one load of `h2load`: calls per second, and CPU of each stage."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time

from benchmarks.edge.contestants import Contestant
from benchmarks.lanes import h2load
from benchmarks.lanes.cpu import tree_seconds
from benchmarks.lanes.h2load import Shape
from benchmarks.lanes.loads import percentile_ms
from benchmarks.lanes.measurement import Pace
from benchmarks.lanes.ratios import order_of_round


@dataclass(frozen=True, slots=True)
class Measurement:
    """Figures of one contestant in one round.

    Attributes:
        calls_per_second: Answered calls.
        p50_ms: Half of them took less.
        p99_ms: All but a hundredth took less.
        cpu_per_1000: CPU seconds per 1,000 calls, by stage.
        unanswered: Calls without an answer.
    """

    calls_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_per_1000: Mapping[str, float]
    unanswered: int


async def play(
    contestants: Sequence[Contestant], sizes: Mapping[str, int], shape: Shape, pace: Pace, scratch: Path
) -> dict[str, list[Measurement]]:
    """Measures contestants in turns; returns the rounds of each.

    Args:
        contestants: Verified before.
        sizes: Of their answers, by name.
        shape: Of the load.
        pace: How long, and how often.
        scratch: Folder for files of the load.
    """
    by_name = {contestant.name: contestant for contestant in contestants}
    rounds: dict[str, list[Measurement]] = {name: [] for name in by_name}
    for number in range(pace.rounds):
        for name in order_of_round(list(by_name), number):
            rounds[name].append(await measure(by_name[name], sizes[name], shape, pace, scratch))
    return rounds


async def measure(contestant: Contestant, size: int, shape: Shape, pace: Pace, scratch: Path) -> Measurement:
    """Measures a contestant once, whose answers have so many bytes."""
    body, log = scratch / "body", scratch / "log"
    body.write_bytes(contestant.body)
    log.unlink(missing_ok=True)
    seconds = pace.warm_up_seconds + pace.seconds + 0.2
    command = h2load.compose_command(contestant.address, contestant.headers, body, shape, seconds, log=log)
    load = await h2load.start([*command[:-1], contestant.url])
    await asyncio.sleep(pace.warm_up_seconds)
    before = time(), stage_seconds(contestant)
    await asyncio.sleep(pace.seconds)
    after = time(), stage_seconds(contestant)
    report = await h2load.finish(load)
    latencies = h2load.parse_log(log).within(before[0], after[0])
    answered = min(report.answered(size), report.done)
    used = {stage: after[1][stage] - before[1][stage] for stage in contestant.stages}
    return Measurement(
        calls_per_second=len(latencies) / (after[0] - before[0]) * answered / max(report.done, 1),
        p50_ms=percentile_ms(latencies, 0.5),
        p99_ms=percentile_ms(latencies, 0.99),
        cpu_per_1000={stage: each / max(len(latencies), 1) * 1000 for stage, each in used.items()},
        unanswered=report.done - answered,
    )


def stage_seconds(contestant: Contestant) -> dict[str, float]:
    """Returns the CPU time so far of each stage."""
    return {stage: tree_seconds(pids) for stage, pids in contestant.stages.items()}
