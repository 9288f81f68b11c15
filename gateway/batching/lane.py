"""Lanes: calls that arrive while their model is busy leave together as the next batch.

There is no timer. While all slots are busy calls gather, and the next free slot takes as many as `max_batch_size`
allows. A free slot does not take the first call at once either: it lets the event loop turn until a few turns in a row
have brought no further call. Turns are next to free while the loop has nothing to do (1 µs each), and while it
is busy they are exactly the work that brings in the calls which then share the batch.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import DeadlineExceeded, GatewayError, ModelFailed, Overloaded, Unavailable
from gateway.interfaces import Backend
from gateway.tensors import merge, split
from gateway.types import ModelVersion, Tensors

RETRY_AFTER_MS = 50

# Turns of the event loop without a new call before a batch leaves. With 64 callers of a 200-tree model behind grpcio,
# 1 turn gave batches of 2.6 rows, 12 turns 12.6 and 32 turns 21.5 (6.7 and 11.9 where the callers were threads), and
# with them up to a third more calls a second. One caller alone saw no change.
QUIET_TURNS = 32

# Turns that a call waits at most while a slot is free: more calls never stop coming when the load is too high.
MOST_TURNS = 256


@dataclass(slots=True)
class LaneCounts:
    """What a lane has done: exact, and read without stopping it."""

    rows: int = 0
    batches: int = 0
    expired: int = 0
    refused: int = 0
    retried: int = 0


@dataclass(slots=True, eq=False)
class Waiting:
    """A call in a lane."""

    inputs: Tensors
    deadline: float | None
    outputs: asyncio.Future[Tensors]


class Lanes:
    """A backend that merges concurrent calls for another backend, one lane per model version.

    Args:
        backend: Computes the batches.
        slots: Batches of one lane under way at the same time.
        queue_rows: Rows that may wait in one lane.
    """

    def __init__(self, backend: Backend, *, slots: int, queue_rows: int) -> None:
        self._backend = backend
        self._slots = slots
        self._queue_rows = queue_rows
        self._lanes: dict[ModelVersion, Lane] = {}

    async def load(self, version: ModelVersion) -> None:
        """Loads the version and opens its lane."""
        await self._backend.load(version)
        self._lanes.setdefault(version, Lane(self._backend, version, self._slots, self._queue_rows))

    async def unload(self, version: ModelVersion) -> None:
        """Closes the lane once it is empty, then unloads the version."""
        lane = self._lanes.pop(version, None)
        if lane is not None:
            await lane.drain()
        await self._backend.unload(version)

    def config(self, version: ModelVersion) -> bytes:
        """Returns the serialised `inference.ModelConfig` of a loaded version."""
        return self._backend.config(version)

    def counts(self) -> Mapping[ModelVersion, LaneCounts]:
        """Returns the counts of every lane."""
        return {version: lane.counts for version, lane in self._lanes.items()}

    async def infer(self, version: ModelVersion, inputs: Tensors, deadline: float | None) -> Tensors:
        """Answers a call, together with those that wait beside it.

        Raises:
            Unavailable: The version was unloaded since the caller chose it.
        """
        if not inputs.rows:
            return Tensors(0, (), ())
        lane = self._lanes.get(version)
        if lane is None:
            raise Unavailable(
                "MODEL_NOT_SERVED",
                f"'{version.model}' version {version.number} was just replaced; send the call again",
                model=version.model,
            )
        return await lane.submit(inputs, deadline)


class Lane:
    """The calls of one model version."""

    def __init__(self, backend: Backend, version: ModelVersion, slots: int, queue_rows: int) -> None:
        self.counts = LaneCounts()
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
            self.counts.refused += 1
            raise overloaded(self._version.model, self._queue_rows)
        loop = asyncio.get_running_loop()
        call = Waiting(inputs, deadline, loop.create_future())
        self._waiting.append(call)
        self._waiting_rows += inputs.rows
        self._gather()
        return call.outputs

    async def drain(self) -> None:
        """Waits until every call in the lane has its answer."""
        while self._waiting or self._batches:
            await asyncio.sleep(0)
            await asyncio.gather(*self._batches)

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
        self.counts.expired += 1
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
        """Answers every call of the batch; one that fails together is tried apart, so that only the culprit fails."""
        try:
            answers = await self._infer([call.inputs for call in batch])
        except Exception as error:  # noqa: BLE001 - whatever the backend raises is these calls' answer
            if len(batch) == 1:
                settle_with_error(batch[0].outputs, error)
                return
            self.counts.retried += len(batch)
            now = asyncio.get_running_loop().time()
            for call in batch:
                if not call.outputs.done() and not self._expire(call, now):
                    await self._answer([call])
            return
        for call, outputs in zip(batch, answers, strict=True):
            if not call.outputs.done():
                call.outputs.set_result(outputs)

    async def _infer(self, calls: list[Tensors]) -> list[Tensors]:
        inputs = merge(calls)
        self.counts.rows += inputs.rows
        self.counts.batches += 1
        outputs = await self._backend.infer(self._version, inputs, None)
        if outputs.rows != inputs.rows:
            problem = f"answered {outputs.rows} rows to {inputs.rows}"
            raise ModelFailed(self._version.model, self._version.number, problem)
        return split(outputs, self._version.signature.outputs, [call.rows for call in calls])


def settle_with_error(outputs: asyncio.Future[Tensors], error: Exception) -> None:
    """Gives a call its error, unless nobody awaits it any more."""
    if not outputs.done():
        outputs.set_exception(error)


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
