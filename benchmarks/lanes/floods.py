"""Calls at a pace that no server keeps up with, made by `h2load`, with a caller among them who tells codes apart."""

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.loads import Tally, ask_at_pace
from benchmarks.measuring import h2load
from benchmarks.measuring.cpu import tree_seconds
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.http2 import OK

CONNECTIONS, MOST_STREAMS = 16, 1_000
CALLERS_EACH = 8
SHARE_OF_SAMPLE, MOST_SAMPLED = 0.1, 500.0
MOST_PER_SECOND = 60_000.0
"""One `h2load` makes no more on one core."""


@dataclass(frozen=True, slots=True)
class Wave:
    """What became of a flood.

    Attributes:
        seconds: For which it was made.
        calls: All of them.
        answered: Calls that got an answer.
        sample: The calls of the caller who looks at every answer; they are among the others.
        cpu_seconds: Of all processes that work for the contestant.
        gateway_cpu_seconds: Of the first of them, which is the gateway.
    """

    seconds: float
    calls: int
    answered: int
    sample: Tally
    cpu_seconds: float
    gateway_cpu_seconds: float

    @property
    def offered(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds

    @property
    def shed(self) -> int:
        """Calls that got no answer."""
        return self.calls - self.answered

    def goodput(self, seconds: float) -> float:
        """Returns how many calls per second were answered within a time, judged by the sample."""
        answered = self.sample.codes[OK]
        return self.answered / self.seconds * (self.sample.answered_within(seconds) / answered if answered else 0)


async def flood(
    contestant: Contestant, per_second: float, seconds: float, scratch: Path, timeout_ms: int | None = None
) -> Wave:
    """Makes calls at a pace."""
    sampled = min(per_second * SHARE_OF_SAMPLE, MOST_SAMPLED)
    before = tree_seconds(contestant.roots), tree_seconds(contestant.roots[:1])
    load = await start_flood(contestant, per_second - sampled, seconds, scratch, timeout_ms)
    sample = await ask_at_pace(contestant, sampled, seconds, connections=4, timeout_ms=timeout_ms)
    report = await h2load.finish(load)
    after = tree_seconds(contestant.roots), tree_seconds(contestant.roots[:1])
    answered = min(report.answered(contestant.questions[0].answer_bytes), report.done)
    return Wave(
        seconds=seconds,
        calls=report.done + sample.calls,
        answered=answered + sample.codes[OK],
        sample=sample,
        cpu_seconds=after[0] - before[0],
        gateway_cpu_seconds=after[1] - before[1],
    )


async def start_flood(
    contestant: Contestant, per_second: float, seconds: float, scratch: Path, timeout_ms: int | None = None
) -> asyncio.subprocess.Process:
    """Starts a load that keeps a pace."""
    body = scratch / "flood"
    body.write_bytes(contestant.questions[0].body)
    headers = (*contestant.headers, *((("grpc-timeout", f"{timeout_ms}m"),) if timeout_ms else ()))
    per_second = min(per_second, MOST_PER_SECOND)
    connections = max(min(CONNECTIONS, math.floor(per_second / 10)), 1)  # a connection's pace is a whole number
    shape = Shape(connections, MOST_STREAMS)
    command = h2load.compose_command(contestant.url, headers, body, shape, seconds, per_second=per_second)
    return await h2load.start(command)


async def find_capacity(
    contestant: Contestant, seconds: float, timeout_ms: int, scratch: Path, most: int = 256
) -> float:
    """Returns the most calls per second that are answered in time, by callers who wait for their answers."""
    rates, streams = [0.0], 1
    while CALLERS_EACH * streams <= most:
        rates.append(await answered_per_second(contestant, Shape(CALLERS_EACH, streams), seconds, timeout_ms, scratch))
        streams *= 2
    return max(rates)


async def answered_per_second(
    contestant: Contestant, shape: Shape, seconds: float, timeout_ms: int, scratch: Path
) -> float:
    """Returns how many calls per second are answered when so many are under way."""
    body = scratch / "body"
    body.write_bytes(contestant.questions[0].body)
    headers = (*contestant.headers, ("grpc-timeout", f"{timeout_ms}m"))
    load = await h2load.start(h2load.compose_command(contestant.url, headers, body, shape, seconds))
    report = await h2load.finish(load)
    return report.answered(contestant.questions[0].answer_bytes) / seconds
