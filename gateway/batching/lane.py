"""The calls of one model version: they wait, leave as batches, and get their answers."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from gateway.errors import DeadlineExceeded, GatewayError, ModelFailed, Overloaded
from gateway.interfaces import Backend
from gateway.tensors import merge, split
from gateway.types import ModelVersion, Statistics, Tensors, Timing

RETRY_AFTER_MS = 50

# Turns of the event loop without a new call before a batch leaves. With 64 callers of a 200-tree model behind grpcio,
# 1 turn gave batches of 2.6 rows, 12 turns 12.6 and 32 turns 21.5 (6.7 and 11.9 where the callers were threads), and
# with them up to a third more calls a second. One caller alone saw no change.
QUIET_TURNS = 32

# Turns that a call waits at most while a slot is free: more calls never stop coming when the load is too high.
MOST_TURNS = 256


@dataclass(slots=True, eq=False)
class Waiting:
    """A call in a lane.

    Attributes:
        inputs: What it asks.
        deadline: When its caller stops waiting, in seconds of the event loop's clock.
        arrived: When it came, in seconds of `perf_counter`.
        outputs: Gets its answer.
    """

    inputs: Tensors
    deadline: float | None
    arrived: float
    outputs: asyncio.Future[Tensors]


class Lane:
    """The calls of one model version."""

    def __init__(self, backend: Backend, version: ModelVersion, slots: int, queue_rows: int) -> None:
        self.statistics = Statistics()
        self._backend = backend
        self._version = version
        self._free_slots = slots
        self._queue_rows = queue_rows
        self._waiting: deque[Waiting] = deque()
        self._waiting_rows = 0
        self._gathering = False
        self._batches: set[asyncio.Task[None]] = set()

    def submit(self, inputs: Tensors, deadline: float | None) -> asyncio.Future[Tensors]:
        """Puts a call in the lane; the future gets its outputs or its error.

        Raises:
            Overloaded: Too many rows wait already.
        """
        if self._waiting_rows + inputs.rows > self._queue_rows:
            self.statistics.refused += 1
            raise overloaded(self._version.model, self._queue_rows)
        loop = asyncio.get_running_loop()
        call = Waiting(inputs, deadline, perf_counter(), loop.create_future())
        self._waiting.append(call)
        self._waiting_rows += inputs.rows
        self._gather()
        return call.outputs

    async def drain(self) -> None:
        """Waits until every call in the lane has its answer."""
        while self._waiting or self._batches:
            await asyncio.sleep(0)
            await asyncio.gather(*self._batches, return_exceptions=True)

    def _gather(self) -> None:
        """Starts to count quiet turns, unless that is under way or no slot is free."""
        if self._waiting and self._free_slots and not self._gathering:
            self._gathering = True
            self._turn(len(self._waiting), QUIET_TURNS, MOST_TURNS)

    def _turn(self, seen: int, quiet_left: int, turns_left: int) -> None:
        """Lets the loop turn again, or sends what has gathered; a new call starts the count anew."""
        waiting = len(self._waiting)
        quiet_left = quiet_left - 1 if waiting == seen else QUIET_TURNS
        if quiet_left and turns_left and self._waiting_rows < self._version.max_batch_size:
            asyncio.get_running_loop().call_soon(self._turn, waiting, quiet_left, turns_left - 1)
        else:
            self._gathering = False
            self._dispatch()

    def _dispatch(self) -> None:
        while self._free_slots and (batch := self._take_batch()):
            self._free_slots -= 1
            task = asyncio.create_task(self._run(batch))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)
            abandoned = partial(stop_if_abandoned, task, batch)
            for call in batch:
                call.outputs.add_done_callback(abandoned)

    def _take_batch(self) -> list[Waiting]:
        """Takes calls from the head of the lane for as long as they fit one batch; drops those nobody awaits."""
        batch: list[Waiting] = []
        rows, now = 0, asyncio.get_running_loop().time()
        while self._waiting:
            call = self._waiting[0]
            wanted = not call.outputs.done() and not self._expire(call, now)
            if wanted and batch and not self._fits(call, batch[0], rows):
                break
            self._waiting.popleft()
            self._waiting_rows -= call.inputs.rows
            if wanted:
                batch.append(call)
                rows += call.inputs.rows
        return batch

    def _expire(self, call: Waiting, now: float) -> bool:
        if call.deadline is None or call.deadline > now:
            return False
        self.statistics.expired += 1
        call.outputs.set_exception(expired())
        return True

    def _fits(self, call: Waiting, first: Waiting, rows: int) -> bool:
        return rows + call.inputs.rows <= self._version.max_batch_size and call.inputs.shapes == first.inputs.shapes

    async def _run(self, batch: list[Waiting]) -> None:
        try:
            await self._answer(batch)
        finally:
            self._free_slots += 1
            self._gather()

    async def _answer(self, batch: Sequence[Waiting]) -> None:
        """Answers every call of the batch; if the model fails, each is tried apart, so that only the culprit fails."""
        started = perf_counter()
        try:
            answers = await self._infer(batch)
        except ModelFailed as error:
            if len(batch) == 1:
                self._fail(batch, error)
            else:
                await self._answer_apart(batch)
            return
        except Exception as error:  # noqa: BLE001 - whatever the backend raises is these calls' answer
            self._fail(batch, error)
            return
        ended = perf_counter()
        for call, outputs in zip(batch, answers, strict=True):
            if not call.outputs.done():
                call.outputs.set_result(outputs)
                self.statistics.succeeded.add(ended - call.arrived)
                self.statistics.queued.add(started - call.arrived)

    async def _answer_apart(self, batch: Sequence[Waiting]) -> None:
        self.statistics.retried += len(batch)
        now = asyncio.get_running_loop().time()
        for call in batch:
            if not call.outputs.done() and not self._expire(call, now):
                await self._answer([call])

    async def _infer(self, batch: Sequence[Waiting]) -> list[Tensors]:
        """Sends a batch to the backend, and cuts its answer.

        Raises:
            Exception: Whatever the backend raises.
        """
        inputs = merge([call.inputs for call in batch])
        started, self.statistics.last_call = perf_counter(), time.time()
        outputs = await self._backend.infer(self._version, inputs, latest_deadline(batch))
        if outputs.rows != inputs.rows:
            problem = f"answered {outputs.rows} rows to {inputs.rows}"
            raise ModelFailed(self._version.model, self._version.number, problem)
        self._count(inputs.rows, perf_counter() - started)
        return split(outputs, self._version.signature.outputs, [call.inputs.rows for call in batch])

    def _count(self, rows: int, seconds: float) -> None:
        self.statistics.rows += rows
        self.statistics.computed.add(seconds)
        self.statistics.batch_sizes.setdefault(rows, Timing()).add(seconds)

    def _fail(self, batch: Sequence[Waiting], error: Exception) -> None:
        """Gives calls their error, except those that nobody awaits any more."""
        now = perf_counter()
        for call in batch:
            if not call.outputs.done():
                call.outputs.set_exception(error)
                self.statistics.failed.add(now - call.arrived)


def stop_if_abandoned(task: asyncio.Task[None], batch: Sequence[Waiting], _: asyncio.Future[Tensors]) -> None:
    """Stops a batch once nobody awaits any answer of it."""
    if all(call.outputs.cancelled() for call in batch):
        task.cancel()


def latest_deadline(batch: Sequence[Waiting]) -> float | None:
    """Returns when the last caller of a batch stops waiting; None when one waits for ever."""
    deadlines = [call.deadline for call in batch]
    return None if None in deadlines else max(deadlines)  # type: ignore[type-var] # there is no None among them


def overloaded(model: str, queue_rows: int) -> GatewayError:
    """The error of a call that finds its lane full."""
    return Overloaded(
        "QUEUE_FULL",
        f"model '{model}' has more than {queue_rows} rows waiting; send fewer calls at a time or try again",
        retry_after_ms=RETRY_AFTER_MS,
        model=model,
        limit=str(queue_rows),
    )


def expired() -> GatewayError:
    """The error of a call whose deadline passed in the lane."""
    return DeadlineExceeded(
        "DEADLINE_EXCEEDED", "the deadline passed before the model could answer; allow more time or send less load"
    )
