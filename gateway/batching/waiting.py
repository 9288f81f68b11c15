"""The calls that wait for one model version, in the order of their coming, within bounds."""

import asyncio
from collections import deque
from dataclasses import dataclass
from time import perf_counter

from gateway.errors import DeadlineExceeded, GatewayError, Overloaded
from gateway.types import ModelVersion, Statistics, Tensors

RETRY_AFTER_MS = 50

# A batch grows no further than this by joining calls: each join copies, and large tensors gain nothing by company.
MOST_JOINED_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """What a lane takes.

    Attributes:
        slots: Batches under way at the same time.
        queue_rows: Rows that may wait.
        queue_bytes: Bytes of tensors that may wait.
    """

    slots: int
    queue_rows: int
    queue_bytes: int


@dataclass(slots=True, eq=False)
class Waiting:
    """A call in a lane.

    Attributes:
        inputs: What it asks.
        size: Bytes of its tensors.
        deadline: When its caller stops waiting, in seconds of the event loop's clock.
        arrived: When it came, in seconds of `perf_counter`.
        outputs: Gets its answer.
    """

    inputs: Tensors
    size: int
    deadline: float | None
    arrived: float
    outputs: asyncio.Future[Tensors]


class WaitingCalls:
    """The calls that wait for a model version.

    Args:
        version: The version.
        limits: How much may wait.
        statistics: Counts calls that are refused or expire.

    Attributes:
        rows: Rows that wait.
    """

    def __init__(self, version: ModelVersion, limits: LaneLimits, statistics: Statistics) -> None:
        self.rows = 0
        self._bytes = 0
        self._version = version
        self._limits = limits
        self._statistics = statistics
        self._calls: deque[Waiting] = deque()

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, inputs: Tensors, deadline: float | None) -> Waiting:
        """Lets a call wait; one alone always finds room for its bytes.

        Raises:
            Overloaded: Too much waits already.
        """
        size = sum(map(len, inputs.data))
        heavy = self._calls and self._bytes + size > self._limits.queue_bytes
        if heavy or self.rows + inputs.rows > self._limits.queue_rows:
            self._statistics.refused += 1
            self._statistics.failed.add(0.0)
            raise overloaded(self._version.model, self._limits)
        call = Waiting(inputs, size, deadline, perf_counter(), asyncio.get_running_loop().create_future())
        self._calls.append(call)
        self.rows += inputs.rows
        self._bytes += size
        return call

    def take_batch(self) -> list[Waiting]:
        """Takes calls from the head for as long as they fit one batch; drops those that nobody awaits."""
        batch: list[Waiting] = []
        rows, size, now = 0, 0, asyncio.get_running_loop().time()
        while self._calls:
            call = self._calls[0]
            wanted = not call.outputs.done() and not self.expire(call, now)
            if wanted and batch and not self._fits(call, batch[0], rows, size):
                break
            self._calls.popleft()
            self.rows -= call.inputs.rows
            self._bytes -= call.size
            if wanted:
                batch.append(call)
                rows, size = rows + call.inputs.rows, size + call.size
        return batch

    def expire(self, call: Waiting, now: float) -> bool:
        """Fails a call whose deadline has passed; returns whether it has."""
        if call.deadline is None or call.deadline > now:
            return False
        self._statistics.expired += 1
        self._statistics.failed.add(perf_counter() - call.arrived)
        call.outputs.set_exception(expired())
        return True

    def _fits(self, call: Waiting, first: Waiting, rows: int, size: int) -> bool:
        return (
            rows + call.inputs.rows <= self._version.max_batch_size
            and size + call.size <= MOST_JOINED_BYTES
            and call.inputs.shapes == first.inputs.shapes
        )


def overloaded(model: str, limits: LaneLimits) -> GatewayError:
    """The error of a call that finds its lane full."""
    return Overloaded(
        "QUEUE_FULL",
        f"model '{model}' has more than {limits.queue_rows} rows or {limits.queue_bytes} bytes waiting; "
        "send fewer calls at a time or try again",
        retry_after_ms=RETRY_AFTER_MS,
        model=model,
        limit=str(limits.queue_rows),
    )


def expired() -> GatewayError:
    """The error of a call whose deadline passed in the lane."""
    return DeadlineExceeded(
        "DEADLINE_EXCEEDED", "the deadline passed before the model could answer; allow more time or send less load"
    )
