"""The lane of one model version: sends what waits as batches, and gives every call its answer."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from gateway.batching.admission import MARGIN_SHARE, Admission, LaneLimits
from gateway.batching.call import Batch, WaitingCall, board, latest_deadline
from gateway.batching.conduct import Conduct, conduct_of
from gateway.batching.counts import Counts
from gateway.batching.pace import Pace
from gateway.batching.slots import Slots
from gateway.batching.waiting import WaitingCalls
from gateway.errors import DeadlineExceeded, GatewayError, ModelFailed, Overloaded, Unavailable
from gateway.interfaces import Backend
from gateway.tensors import merge, split, wanted
from gateway.traces import UNTRACED, BatchTrace, CallTrace
from gateway.types import ModelVersion, Priority, Tensors

# Turns of the event loop without a new call before a batch leaves. With 64 callers of a 200-tree model behind grpcio,
# 1 turn gave batches of 2.6 rows, 12 turns 12.6 and 32 turns 21.5 (6.7 and 11.9 where the callers were threads), and
# with them up to a third more calls a second. After several calls in a row without company nobody is waited for: to one
# caller 32 turns add 80 µs.
QUIET_TURNS, ALONE_AFTER = 32, 16

# Turns that a call waits at most while a slot is free: more calls never stop coming when the load is too high.
MOST_TURNS = 256

# For this long after a call of the highest class the next one is expected. Others then leave in batches that take half
# as long again as one of a single row at most, one on each node, so that it finds little before it.
HURRIED_SECONDS, HURRIED_BATCH = 1.0, 1.5

# A batch that all its callers have left may still take this long. To stop short ones would gain nothing, and bursts of
# cancelled calls have brought down tritonserver 2.51.
ABANDONED_SECONDS = 3.0

# Callers are told this much before their deadline, so that the reason still reaches them.
MOST_MARGIN_SECONDS = 0.1


class Lane:
    """The calls of one model version, in the event loop in which it is made.

    Args:
        backend: Computes the batches.
        version: The version.
        limits: What the lane takes.

    Attributes:
        counts: What became of its calls.
    """

    def __init__(self, backend: Backend, version: ModelVersion, limits: LaneLimits) -> None:
        self.counts = Counts()
        self._loop = asyncio.get_running_loop()
        self._backend = backend
        self._version = version
        self._waiting = WaitingCalls(version.max_batch_size, limits.queue_seconds)
        self._pace = Pace()
        self._slots = Slots(limits.slots, self._pace)
        self._admission = Admission(version, limits, self._waiting, self._pace, self._slots)
        self._conduct: Conduct | None = None
        self._gathering = False
        self._alone_in_a_row = 0
        self._hurried_until = 0.0
        self._batches: set[asyncio.Task[None]] = set()

    def submit(
        self,
        inputs: Tensors,
        deadline: float | None,
        tenant: str,
        priority: Priority,
        trace: CallTrace = UNTRACED,
    ) -> WaitingCall:
        """Puts a call in the lane; its future gets its outputs or its error.

        Raises:
            Overloaded: Too much waits already, or the call could not be answered in time.
        """
        line, admission = tenant, self._admission
        now, conduct = self._loop.time(), self._conduct or self._learn_conduct()
        if conduct is None or conduct.one_at_a_time:
            line, priority = "", Priority.NORMAL  # in order, whoever asks
        try:
            if admission.refused:
                admission.recall(line, priority, deadline, inputs.rows, now)
            size, kind = sum(map(len, inputs.data)), (inputs.shapes, inputs.terms)
            outputs = self._loop.create_future()
            call = WaitingCall(inputs, deadline, line, priority, perf_counter(), outputs, size, kind, tenant, trace)
            admission.check(call, now)
        except Overloaded:
            self.counts.refuse(tenant)
            raise
        if priority is Priority.HIGH:
            self._hurried_until = now + HURRIED_SECONDS
        if self._alone and self._slots.free and not self._waiting:
            self._send(Batch([call]))
        else:
            self._waiting.add(call, now)
            self._gather()
        return call

    def leave(self, call: WaitingCall) -> None:
        """Lets go of a call whose caller has gone."""
        if not call.outputs.cancelled():
            return  # it had its answer already
        if call.is_late(self._loop.time()):
            self.counts.expire([call])
        else:
            self.counts.cancel(call)
        self.counts.fail([call], perf_counter())
        if call.waits:
            self._waiting.remove(call)
            self._admission.forget()
        elif call.batch is not None:
            self._stop_if_abandoned(call.batch)

    async def drain(self) -> None:
        """Waits until every call in the lane has its answer."""
        while self._waiting or self._batches:
            await asyncio.sleep(0)
            if self._batches:
                await asyncio.wait(self._batches)

    @property
    def utilisation(self) -> float:
        """Returns what part of the places that compute its batches is taken; 1 at least while calls wait."""
        taken = self._slots.taken / self._slots.places
        return max(taken, 1.0) if self._waiting else taken

    def describe(self) -> Mapping[str, Any]:
        """Says how it is now, ready for JSON."""
        total = self.counts.total
        told = {name: getattr(total, name) for name in ("rows", "refused", "expired", "cancelled", "retried")}
        return {
            "model": self._version.model,
            "version": self._version.number,
            "waiting_rows": self._waiting.rows,
            "under_way": self._slots.taken,
            "slots": self._slots.limit,
            "batches": total.computed.count,
            **told,
        }

    @property
    def _alone(self) -> bool:
        """Says whether no call had company of late."""
        return self._alone_in_a_row >= ALONE_AFTER

    def _gather(self) -> None:
        """Starts to count quiet turns, unless that is under way or no slot is free."""
        if self._gathering or not self._waiting or not self._slots.free:
            return
        if self._alone:
            self._dispatch()
        else:
            self._gathering = True
            self._turn(len(self._waiting), QUIET_TURNS, MOST_TURNS)

    def _turn(self, seen: int, quiet_left: int, turns_left: int) -> None:
        """Lets the loop turn again, or sends what has gathered; a new call starts the count anew."""
        waiting = len(self._waiting)
        quiet_left = quiet_left - 1 if waiting == seen else QUIET_TURNS
        if quiet_left and turns_left and self._waiting.rows < self._waiting.most_rows:
            self._loop.call_soon(self._turn, waiting, quiet_left, turns_left - 1)
        else:
            self._gathering = False
            self._dispatch()

    def _dispatch(self) -> None:
        """Sends batches for as long as slots are free and calls wait."""
        now = self._loop.time()
        self._admission.forget()
        self._hurry(hurried=now < self._hurried_until and not self._waiting.mostly_urgent)
        while self._slots.free and self._waiting:
            answered_at = now + self._slots.wait_seconds + self._pace.seconds(self._waiting.most_rows)
            batch, late = self._waiting.take_batch(now, answered_at)
            self._expire(late)
            if batch is not None:
                self._send(batch)

    def _hurry(self, *, hurried: bool) -> None:
        """Keeps batches short, or lets them grow."""
        self._slots.hurried = hurried
        most = self._version.max_batch_size
        if hurried:
            most = max(int(min(self._pace.rows_within(HURRIED_BATCH * self._pace.seconds(1)), most)), 1)
        self._waiting.most_rows = most

    def _send(self, batch: Batch) -> None:
        """Lets a batch leave; it keeps its slot for as long as the backend works on it, whoever still waits."""
        found_idle = self._slots.take()
        self._alone_in_a_row = self._alone_in_a_row + 1 if len(batch.calls) == 1 else 0
        for call in batch.calls:
            call.batch = batch
        trace = board(self._version, batch.calls)
        batch.task = asyncio.create_task(self._answer(batch.calls, trace, found_idle=found_idle))
        self._batches.add(batch.task)
        batch.task.add_done_callback(partial(self._end, batch, self._expire_in_time(batch)))

    def _end(self, batch: Batch, timer: asyncio.TimerHandle | None, task: asyncio.Task[None]) -> None:
        """Gives back the slot; calls that have no answer, since their batch was stopped, fail."""
        if timer is not None:
            timer.cancel()
        self._batches.discard(task)
        self._slots.taken -= 1
        self._admission.forget()
        if not batch.abandoned:
            self._fail(batch.calls, stopped(self._version))
        batch.calls.clear()  # they refer to it, and it to them
        self._gather()

    def _expire_in_time(self, batch: Batch) -> asyncio.TimerHandle | None:
        """Sees to it that callers learn why they got no answer, a moment before the last of them stops waiting."""
        deadline = latest_deadline(batch.calls)
        if deadline is None:
            return None
        margin = min((deadline - self._loop.time()) * MARGIN_SHARE, MOST_MARGIN_SECONDS)
        return self._loop.call_at(deadline - margin, self._expire_batch, batch)

    def _expire_batch(self, batch: Batch) -> None:
        self._expire(batch.calls)
        self._stop_if_abandoned(batch)

    def _stop_if_abandoned(self, batch: Batch) -> None:
        """Stops a batch that nobody awaits any more, if it takes long."""
        if batch.task is not None and batch.abandoned:
            self._loop.call_later(ABANDONED_SECONDS, batch.task.cancel)

    async def _answer(
        self, calls: Sequence[WaitingCall], trace: BatchTrace, *, found_idle: bool = False, again: bool = False
    ) -> None:
        """Answers calls together; if the model fails, each half of them, so that in the end only the culprit fails."""
        try:
            answers = await self._infer(calls, trace, found_idle=found_idle)
        except ModelFailed as error:
            trace.fail(error)
            if len(calls) == 1:
                self._fail(calls, error)
            else:
                if not again:
                    self.counts.retry(calls)
                await self._answer_awaited(calls[: len(calls) // 2])
                await self._answer_awaited(calls[len(calls) // 2 :])
            return
        except Exception as error:  # noqa: BLE001 - whatever the backend raises is these calls' answer
            trace.fail(error)
            self._fail(calls, error)
            return
        self.counts.succeed(calls, trace.started, perf_counter())
        for call, outputs in zip(calls, answers, strict=True):
            if not call.outputs.done():
                call.outputs.set_result(outputs)

    async def _answer_awaited(self, calls: Sequence[WaitingCall]) -> None:
        """Answers those of some calls that are still awaited."""
        now = self._loop.time()
        self._expire([call for call in calls if call.is_late(now)])
        awaited = [call for call in calls if not call.outputs.done()]
        if awaited:
            await self._answer(awaited, board(self._version, awaited, again=True), again=True)

    async def _infer(self, calls: Sequence[WaitingCall], trace: BatchTrace, *, found_idle: bool) -> list[Tensors]:
        """Sends calls to the backend as one batch, and cuts its answer.

        Raises:
            Exception: Whatever the backend raises.
        """
        inputs = merge([call.inputs for call in calls])
        self.counts.send(calls, time.time())
        started = perf_counter()
        outputs = await self._backend.infer(self._version, inputs, latest_deadline(calls), trace=trace)
        trace.ended = perf_counter()
        if outputs.rows != inputs.rows:
            problem = f"answered {outputs.rows} rows to {inputs.rows}"
            raise ModelFailed(self._version.model, self._version.number, problem)
        seconds = trace.ended - started
        self.counts.compute(calls, inputs.rows, seconds)
        places, calls_wait = self._backend.places(self._version), bool(self._waiting)
        self._slots.observe(inputs.rows, seconds, places, found_idle=found_idle, calls_wait=calls_wait)
        timed = Tensors(outputs.rows, outputs.shapes, outputs.data, outputs.terms, seconds)
        return split(timed, wanted(self._version, inputs.terms), [call.inputs.rows for call in calls])

    def _learn_conduct(self) -> Conduct | None:
        """Reads how the model wants its calls, once a node has told; until then they go in order, whoever asks."""
        try:
            conduct = conduct_of(self._backend.config(self._version))
        except GatewayError:
            return None
        self._waiting.alone = conduct.alone or not self._version.max_batch_size
        self._waiting.in_order = conduct.in_order
        if conduct.one_at_a_time:
            self._slots.fix(1)
        self._conduct = conduct
        return conduct

    def _fail(self, calls: Sequence[WaitingCall], error: Exception) -> None:
        """Gives calls their error, except those that nobody awaits any more."""
        awaited = [call for call in calls if not call.outputs.done()]
        self.counts.fail(awaited, perf_counter())
        for call in awaited:
            call.outputs.set_exception(error)

    def _expire(self, calls: Sequence[WaitingCall]) -> None:
        """Fails calls whose deadline has passed."""
        awaited = [call for call in calls if not call.outputs.done()]
        if awaited:
            self.counts.expire(awaited)
            self._fail(awaited, expired())


def expired() -> GatewayError:
    """The error of a call whose deadline passed in the lane."""
    return DeadlineExceeded(
        "DEADLINE_EXCEEDED", "the deadline passed before the model could answer; allow more time or send less load"
    )


def stopped(version: ModelVersion) -> GatewayError:
    """The error of a call whose batch was stopped from outside."""
    return Unavailable(
        "NODES_UNAVAILABLE",
        f"model '{version.model}' version {version.number} was stopped while it worked on the call; send it again",
        model=version.model,
    )
