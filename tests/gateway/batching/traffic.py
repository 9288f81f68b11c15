"""Simulated traffic: calls at random moments to a model whose batches take as long as a rule says, in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from random import Random
from typing import Any

from gateway.batching.admission import LaneLimits
from gateway.batching.lanes import Lanes
from gateway.errors import DeadlineExceeded, Overloaded
from gateway.testing import FakeBackend
from gateway.traces import BatchTrace
from gateway.types import ModelVersion, Priority, Tensors
from tests.gateway.batching.clock import run
from tests.gateway.models import version

LIMITS = LaneLimits(slots=None, queue_rows=16_384, queue_bytes=1 << 30, queue_seconds=2.0)
MAX_BATCH_SIZE = 16


@dataclass(frozen=True, slots=True)
class Cost:
    """How long a model computes a batch: a fixed time and a time for each row, more or less.

    Attributes:
        fixed: Seconds of any batch.
        per_row: Seconds of each row.
        jitter: Largest part by which a batch takes more or less.
        places: Batches that are computed side by side.
    """

    fixed: float
    per_row: float
    jitter: float = 0.0
    places: int = 1

    def seconds(self, rows: int) -> float:
        """Returns the time of a batch on average."""
        return self.fixed + self.per_row * rows

    @property
    def capacity(self) -> float:
        """Returns the most rows a second."""
        return MAX_BATCH_SIZE / self.seconds(MAX_BATCH_SIZE) * self.places


@dataclass(slots=True)
class Node(FakeBackend):
    """A backend that computes so many batches side by side, and lets others wait.

    Attributes:
        cost: How long batches take.
        random: Decides by how much more or less.
        busy: As many as are computed.
        sent: Rows of every batch.
    """

    cost: Cost = field(default_factory=lambda: Cost(0.01, 0.0))
    random: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - a simulation
    busy: asyncio.Semaphore = field(init=False)
    sent: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        FakeBackend.__post_init__(self)
        self.busy = asyncio.Semaphore(self.cost.places)

    def places(self, version: ModelVersion) -> int:  # noqa: ARG002 - the same for all
        """Returns how many batches it computes side by side."""
        return self.cost.places

    async def infer(
        self,
        version: ModelVersion,  # noqa: ARG002 - it computes on
        inputs: Tensors,
        deadline: float | None,  # noqa: ARG002 - it computes on
        *,
        trace: BatchTrace | None = None,  # noqa: ARG002 - nothing is noted
    ) -> Tensors:
        """Answers with the input, after its time."""
        self.sent.append(inputs.rows)
        async with self.busy:
            factor = self.random.uniform(1 - self.cost.jitter, 1 + self.cost.jitter)
            await asyncio.sleep(self.cost.seconds(inputs.rows) * factor)
        return Tensors(inputs.rows, inputs.shapes, inputs.data)


@dataclass(frozen=True, slots=True)
class Source:
    """A caller, or many with one name.

    Attributes:
        rate: Rows a second, on average.
        tenant: Its name.
        priority: Class of its calls.
        timeout_seconds: How long it waits; None for ever.
        rows: Rows of one call.
    """

    rate: float
    tenant: str = "a"
    priority: Priority = Priority.NORMAL
    timeout_seconds: float | None = 0.1
    rows: int = 1


@dataclass(slots=True)
class Outcome:
    """What became of the calls of a source.

    Attributes:
        asked: Calls.
        latencies: Seconds that each answered call took.
        refused: Calls that were refused.
        expired: Calls that were taken in and not answered in time.
    """

    asked: int = 0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    expired: int = 0

    def percentile(self, part: float) -> float:
        """Returns the latency that so large a part of the answered calls stayed within."""
        return sorted(self.latencies)[max(ceil(part * len(self.latencies)) - 1, 0)]


Send = Callable[[Outcome], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Traffic:
    """Sources that send to one lane for a while.

    Attributes:
        cost: How long its batches take.
        sources: Who sends.
        slots: Batches under way at once; None to learn it.
        seconds: How long they send.
        warm: What comes in so many seconds from the start is not counted.
        outcomes: What became of the calls of each source.
        sent: Rows of every batch.
    """

    cost: Cost
    sources: Sequence[Source]
    slots: int | None = None
    seconds: float = 5.0
    warm: float = 1.5
    outcomes: list[Outcome] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)

    def simulate(self) -> list[Outcome]:
        """Sends everything and waits until all of it has ended; returns what became of the calls of each source."""
        run(self._work())
        return self.outcomes

    async def _work(self) -> None:
        backend = Node(cost=self.cost, sent=self.sent)
        served = version(max_batch_size=MAX_BATCH_SIZE)
        lanes = Lanes(backend, replace(LIMITS, slots=self.slots))
        await lanes.load(served)
        self.outcomes = [Outcome() for _ in self.sources]
        async with asyncio.TaskGroup() as group:
            for source, outcome in zip(self.sources, self.outcomes, strict=True):
                group.create_task(self._send(partial(ask, lanes, served, source), source, outcome))
        await lanes.unload(served)

    async def _send(self, call: Send, source: Source, outcome: Outcome) -> None:
        """Sends the calls of one source; all of them have ended when it returns."""
        loop, random = asyncio.get_running_loop(), Random(source.tenant)  # noqa: S311 - a simulation
        begin = due = loop.time()
        async with asyncio.TaskGroup() as group:
            while (due := due + random.expovariate(source.rate / source.rows)) < begin + self.seconds:
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                group.create_task(call(outcome if due - begin >= self.warm else Outcome()))


async def ask(lanes: Lanes, served: ModelVersion, source: Source, outcome: Outcome) -> None:
    """Sends one call and waits for it as long as the source does."""
    began = asyncio.get_running_loop().time()
    outcome.asked += 1
    inputs = Tensors(source.rows, ((2,),), (bytes(8 * source.rows),))
    deadline = None if source.timeout_seconds is None else began + source.timeout_seconds
    try:
        async with asyncio.timeout_at(deadline):
            await lanes.infer(served, inputs, deadline, source.tenant, source.priority)
    except Overloaded:
        outcome.refused += 1
    except (DeadlineExceeded, TimeoutError):
        outcome.expired += 1
    else:
        outcome.latencies.append(asyncio.get_running_loop().time() - began)
