"""Contestants alternate under a load of `h2load`, while a caller beside it looks at answers."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from time import time

from benchmarks.measuring import h2load
from benchmarks.measuring.asking import UnansweredError, open_caller
from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.cpu import machine_seconds, tree_seconds
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.memory import tree_mib
from benchmarks.measuring.ratios import order_of_round, percentile_ms

LAST_ANSWERS_SECONDS = 0.2
ROUGH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things are measured.

    Attributes:
        rounds: In which the contestants alternate.
        seconds: Of each contestant in each round.
        warm_up_seconds: Before them.
        look_seconds: Between the answers that a caller beside the load looks at.
    """

    rounds: int
    seconds: float
    warm_up_seconds: float
    look_seconds: float = 0.05

    @property
    def rough(self) -> bool:
        """Says whether rounds are so short that figures are rough: suites leave out then what takes long."""
        return self.seconds < ROUGH_SECONDS

    def __str__(self) -> str:
        return f"{self.rounds} rounds of {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class Measurement:
    """Figures of one contestant in one round.

    Attributes:
        calls_per_second: Answered calls.
        p50_ms: Half of them took less.
        p99_ms: All but a hundredth took less.
        stages: CPU seconds per 1,000 calls, by stage.
        rss_mib: Memory of all its processes at the end, shared pages once.
        calls: That `h2load` made, in all.
        unanswered: Of them, those whose answer was an error or too short, by the bytes of all answers together.
        looked_at: Calls of the caller beside it.
        wrong: Of them, those that got a wrong answer or none.
        others_cores: Cores that processes used which are neither the contestant's nor the load's.
    """

    calls_per_second: float
    p50_ms: float
    p99_ms: float
    stages: Mapping[str, float]
    rss_mib: float
    calls: int
    unanswered: int
    looked_at: int
    wrong: int
    others_cores: float

    @property
    def cpu_per_1000(self) -> float:
        """CPU seconds per 1,000 calls, of all stages."""
        return sum(self.stages.values())


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
    body.write_bytes(contestant.questions[0].body)
    log.unlink(missing_ok=True)
    whole = pace.warm_up_seconds + pace.seconds + LAST_ANSWERS_SECONDS
    load = await h2load.start(
        h2load.compose_command(contestant.url, contestant.headers, body, shape, whole, log=log, grpc=contestant.grpc)
    )
    looking = asyncio.create_task(look(contestant, whole, pace.look_seconds))
    await asyncio.sleep(pace.warm_up_seconds)
    before = time(), stage_seconds(contestant), others_seconds(contestant)
    await asyncio.sleep(pace.seconds)
    after = time(), stage_seconds(contestant), others_seconds(contestant)
    rss_mib = tree_mib(contestant.roots)
    report, (looked_at, wrong) = await h2load.finish(load), await looking
    latencies = h2load.parse_log(log).within(before[0], after[0])
    answered = min(report.answered(size), report.done - report.failed)
    used = {stage: after[1][stage] - before[1][stage] for stage in contestant.stages}
    return Measurement(
        calls_per_second=len(latencies) / (after[0] - before[0]) * answered / max(report.done, 1),
        p50_ms=percentile_ms(latencies, 0.5),
        p99_ms=percentile_ms(latencies, 0.99),
        stages={stage: each / max(len(latencies), 1) * 1000 for stage, each in used.items()},
        rss_mib=rss_mib,
        calls=report.done,
        unanswered=report.done - answered,
        looked_at=looked_at,
        wrong=wrong,
        others_cores=max(after[2] - before[2], 0.0) / (after[0] - before[0]),
    )


async def look(contestant: Contestant, seconds: float, pause_seconds: float) -> tuple[int, int]:
    """Asks all questions in turn for a while; returns how many calls that were, and how many of them went wrong."""
    calls, wrong, end = 0, 0, time() + seconds
    questions = cycle(contestant.questions)
    async with open_caller(contestant) as ask:
        while time() < end:
            question = next(questions)
            calls += 1
            try:
                wrong += bool(question.problem(await ask(question.body)))
            except UnansweredError:
                wrong += 1
            await asyncio.sleep(min(pause_seconds, max(end - time(), 0)))
    return calls, wrong


def others_seconds(contestant: Contestant) -> float:
    """Returns the CPU time so far of what has nothing to do with a contestant and its load."""
    return machine_seconds() - tree_seconds([os.getpid(), *contestant.roots])


def stage_seconds(contestant: Contestant) -> dict[str, float]:
    """Returns the CPU time so far of each stage."""
    return {stage: tree_seconds(pids) for stage, pids in contestant.stages.items()}
