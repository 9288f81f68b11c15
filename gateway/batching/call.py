"""A call in a lane."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.traces import UNTRACED, BatchTrace, CallTrace
from gateway.types import ModelVersion, Priority, Tensors, Terms

# Batches that are noted of one call, which may be tried apart.
MOST_BATCHES = 16

# What must be equal for calls to share a batch: the shapes of a row of each input, and the terms.
Kind = tuple[tuple[tuple[int, ...], ...], Terms]


@dataclass(slots=True, eq=False)
class WaitingCall:
    """A call from its arrival in the lane to its answer.

    Attributes:
        inputs: What it asks.
        deadline: When its caller stops waiting, in seconds of the event loop's clock.
        tenant: In whose line it waits.
        priority: Its class.
        arrived: When it came, in seconds of `perf_counter`.
        outputs: Gets its answer.
        size: Bytes of its tensors.
        kind: What it must have in common with others of its batch.
        owner: The tenant that it is counted for: who asks.
        trace: Where its way is noted.
        place: Sorts it within its line.
        waits: Whether it stands in a line.
        batch: The batch that it left with.
    """

    inputs: Tensors
    deadline: float | None
    tenant: str
    priority: Priority
    arrived: float
    outputs: asyncio.Future[Tensors]
    size: int
    kind: Kind
    owner: str
    trace: CallTrace = UNTRACED
    place: tuple[float, int] = (0.0, 0)
    waits: bool = False
    batch: "Batch | None" = None

    def is_late(self, time: float) -> bool:
        """Says whether its caller has stopped waiting by a time of the event loop's clock."""
        return self.deadline is not None and self.deadline <= time


@dataclass(slots=True, eq=False)
class Batch:
    """Calls that leave together.

    Attributes:
        calls: In the order of their rows.
        task: Answers them.
    """

    calls: list[WaitingCall]
    task: asyncio.Task[None] | None = None

    @property
    def abandoned(self) -> bool:
        """Says whether nobody awaits an answer any more."""
        return all([call.outputs.done() for call in self.calls])  # noqa: C419 - a generator takes twice as long


def latest_deadline(calls: Sequence[WaitingCall]) -> float | None:
    """Returns when the last of some callers stops waiting; None when one waits for ever."""
    deadlines = [call.deadline for call in calls]
    return None if None in deadlines else max(deadlines)  # type: ignore[type-var] # there is no None among them


def board(version: ModelVersion, calls: Sequence[WaitingCall], *, again: bool = False) -> BatchTrace:
    """Notes that calls leave as a batch; `again` if they have been part of another."""
    batch, rows = BatchTrace(version, len(calls)), 0
    for call in calls:
        trace = call.trace
        trace.batches = (*trace.batches[1 - MOST_BATCHES :], batch) if again else (batch,)
        trace.position = rows
        rows += call.inputs.rows
        if trace.chosen:
            batch.chosen = True
    batch.rows = rows
    return batch
