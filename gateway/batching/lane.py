"""The lane of one model version: sends what waits as batches, and gives every call its answer."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from time import perf_counter

from gateway.batching.waiting import LaneLimits, Waiting, WaitingCalls, expired
from gateway.errors import ModelFailed
from gateway.interfaces import Backend
from gateway.tensors import merge, split
from gateway.types import ModelVersion, Statistics, Tensors, Timing

# Turns of the event loop without a new call before a batch leaves. With 64 callers of a 200-tree model behind grpcio,
# 1 turn gave batches of 2.6 rows, 12 turns 12.6 and 32 turns 21.5 (6.7 and 11.9 where the callers were threads), and
# with them up to a third more calls a second. One caller alone saw no change.
QUIET_TURNS = 32

# Turns that a call waits at most while a slot is free: more calls never stop coming when the load is too high.
MOST_TURNS = 256

# A batch that all its callers have left may still take this long. To stop short ones would gain nothing, and bursts of
# cancelled calls have brought down tritonserver 2.51.
ABANDONED_SECONDS = 3.0

# Callers are told this much before their deadline, so that the reason still reaches them.
MARGIN_SHARE, MOST_MARGIN_SECONDS = 0.1, 0.1


class Lane:
    """The calls of one model version."""

    def __init__(self, backend: Backend, version: ModelVersion, limits: LaneLimits) -> None:
        self.statistics = Statistics()
        self._backend = backend
        self._version = version
        self._free_slots = limits.slots
        self._waiting = WaitingCalls(version, limits, self.statistics)
        self._gathering = False
        self._batches: set[asyncio.Task[None]] = set()

    def submit(self, inputs: Tensors, deadline: float | None) -> asyncio.Future[Tensors]:
        """Puts a call in the lane; the future gets its outputs or its error.

        Raises:
            Overloaded: Too much waits already.
        """
        call = self._waiting.add(inputs, deadline)
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
        if quiet_left and turns_left and self._waiting.rows < self._version.max_batch_size:
            asyncio.get_running_loop().call_soon(self._turn, waiting, quiet_left, turns_left - 1)
        else:
            self._gathering = False
            self._dispatch()

    def _dispatch(self) -> None:
        while self._free_slots and (batch := self._waiting.take_batch()):
            self._free_slots -= 1
            task = asyncio.create_task(self._run(batch))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)
            abandoned = partial(stop_later_if_abandoned, task, batch)
            for call in batch:
                call.outputs.add_done_callback(abandoned)

    async def _run(self, batch: list[Waiting]) -> None:
        """Answers a batch; it keeps its slot for as long as the backend works on it, whoever still waits."""
        timer = self._fail_in_time(batch)
        try:
            await self._answer(batch)
        finally:
            if timer is not None:
                timer.cancel()
            self._free_slots += 1
            self._gather()

    def _fail_in_time(self, batch: Sequence[Waiting]) -> asyncio.TimerHandle | None:
        """Sees to it that callers learn why they got no answer, a moment before the last of them stops waiting."""
        deadline, loop = latest_deadline(batch), asyncio.get_running_loop()
        if deadline is None:
            return None
        margin = min((deadline - loop.time()) * MARGIN_SHARE, MOST_MARGIN_SECONDS)
        return loop.call_at(deadline - margin, self._fail, batch, expired())

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
            if not call.outputs.done() and not self._waiting.expire(call, now):
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


def stop_later_if_abandoned(task: asyncio.Task[None], batch: Sequence[Waiting], _: asyncio.Future[Tensors]) -> None:
    """Stops a batch that nobody awaits any more if it takes long."""
    if all(call.outputs.cancelled() for call in batch):
        asyncio.get_running_loop().call_later(ABANDONED_SECONDS, task.cancel)


def latest_deadline(batch: Sequence[Waiting]) -> float | None:
    """Returns when the last caller of a batch stops waiting; None when one waits for ever."""
    deadlines = [call.deadline for call in batch]
    return None if None in deadlines else max(deadlines)  # type: ignore[type-var] # there is no None among them
