"""Brings one batch to an answer: on one node, and on another when that one fails, stalls or dies."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

import grpc

from gateway.backends.triton.budget import RetryBudget
from gateway.backends.triton.faults import Blame, NodeFault
from gateway.backends.triton.http2.call import NotTakenError
from gateway.backends.triton.node import Node
from gateway.backends.triton.pool import Pool
from gateway.backends.triton.replica import Replica
from gateway.errors import GatewayError, InvalidRequest, ModelFailed, Unavailable
from gateway.traces import BatchTrace, traceparent_of
from gateway.types import ModelVersion

MOST_TRIES = 4

# A try that lost the race, or whose caller has gone, is watched for a while: what becomes of it tells what ails its
# node, and bursts of calls that are cancelled or expire have brought down tritonserver 2.51.
WATCH_SECONDS = 3.0

# A try is not suspected earlier, however little time its caller has.
LEAST_SUSPICION_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be answered.

    Attributes:
        version: Who answers.
        encode: Returns the serialised `inference.ModelInferRequest`, anew for every try.
        rows: Rows in it.
        deadline: When nobody awaits the answer any more, in seconds of the event loop's clock.
        trace: Where attempts are noted.
    """

    version: ModelVersion
    encode: Callable[[], bytes]
    rows: int
    deadline: float | None
    trace: BatchTrace

    @property
    def context(self) -> str:
        """The `traceparent` of the batch, for a node that is to trace it too; empty for one that is not."""
        return traceparent_of(self.trace) if self.trace.chosen else ""


class Delivery:
    """One batch on its way.

    Args:
        pool: Knows the replicas.
        budget: Bounds second tries.
        batch: What is to be answered.
    """

    def __init__(self, pool: Pool, budget: RetryBudget, batch: Batch) -> None:
        self._pool = pool
        self._budget = budget
        self._batch = batch
        self._version = batch.version
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[bytes] = self._loop.create_future()
        self._tried: list[Node] = []
        self._tries: set[asyncio.Future[Any]] = set()
        self._suspects: list[tuple[Replica, float]] = []
        self._sick = False
        self._unclear: tuple[Replica, NodeFault] | None = None

    async def run(self) -> bytes:
        """Returns the serialised `inference.ModelInferResponse`.

        Raises:
            Unavailable: No node could be reached, or none of those that were tried answered.
            ModelFailed: The model failed on these inputs.
        """
        replica = self._pool.choose(self._version)
        if replica is None:
            raise no_node(self._version, len(self._pool.replicas(self._version)))
        self._budget.active += 1
        try:
            self._try(replica)
            return await self._answer
        finally:
            self._budget.active -= 1
            for each in self._tries:
                self._loop.call_later(0 if self._answer.cancelled() else WATCH_SECONDS, each.cancel)

    def _try(self, replica: Replica) -> asyncio.Future[bytes]:
        """Tries one replica; its answer, or a fault that no other would mend, ends the delivery."""
        self._tried.append(replica.node)
        started, number, batch = monotonic(), self._batch.trace.send(replica.node.address), self._batch
        answer = replica.node.begin(batch.encode(), batch.rows, self._timeout_seconds(), batch.context)
        self._tries.add(answer)
        answer.add_done_callback(partial(self._take, replica, started, number, self._suspect_later(replica, started)))
        return answer

    def _take(
        self,
        replica: Replica,
        started: float,
        number: int,
        suspicion: asyncio.TimerHandle | None,
        answer: asyncio.Future[bytes],
    ) -> None:
        """Takes what became of a try; whatever goes wrong with it that nobody foresaw is the answer."""
        self._tries.discard(answer)
        if suspicion is not None:
            suspicion.cancel()
        try:
            message = answer.result()
            self._batch.trace.settle(number)
            self._pool.answered(replica, monotonic() - started)
            self._take_answer(message)
        except asyncio.CancelledError:
            return
        except NotTakenError:
            self._batch.trace.settle(number, "not taken")
            self._try(replica)
        except NodeFault as fault:
            self._batch.trace.settle(number, fault.details)
            self._pool.failed(replica, fault, started)
            self._take_fault(replica, fault)
        except Exception as error:  # noqa: BLE001 - a delivery has to end
            self._fail(error)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs what leads to another try; whatever goes wrong with it that nobody foresaw is the answer."""
        task = self._loop.create_task(self._guarded(work))
        self._tries.add(task)
        task.add_done_callback(self._tries.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - a delivery has to end
            self._fail(error)

    async def _try_and_wait(self, replica: Replica) -> None:
        """Tries one replica, and waits for the end of the try, which stands for this task from now on."""
        answer = self._try(replica)
        task = asyncio.current_task()
        if task is not None:
            self._tries.discard(task)
        await asyncio.wait([answer])

    def _take_answer(self, message: bytes) -> None:
        if not self._answer.done():
            self._answer.set_result(message)
        if self._unclear is not None:
            self._pool.strike(self._unclear[0], "failed where another node did not")
        for replica, started in self._suspects:
            self._pool.stalled(replica, started)

    def _take_fault(self, replica: Replica, fault: NodeFault) -> None:
        """Lets another replica try where that may help; else the fault is the answer."""
        sick_before, self._sick = self._sick, self._sick or fault.blame is Blame.MODEL_SICK
        second_opinion = self._unclear is None and self._pool.choose(self._version, self._tried) is not None
        if fault.blame is Blame.UNCLEAR:
            self._unclear = self._unclear or (replica, fault)
        if fault.blame is Blame.REQUEST or (fault.blame is Blame.UNCLEAR and not second_opinion):
            self._unclear = None  # the model fails everywhere, or there is nobody else to ask
            self._fail(model_failed(self._version, fault))
        elif fault.blame is Blame.TIME:
            self._fail(no_answer(self._version))
        elif fault.blame is Blame.MODEL_SICK and sick_before:  # perhaps it is this batch that kills
            self._give_up()
        elif not self._tries and not self._answer.done():  # else a try that is under way decides
            self._start(self._try_again())

    async def _try_again(self) -> None:
        """Tries a replica that has not been tried, when the budget allows."""
        async with self._budget.second_try():
            if self._answer.done():
                return
            replica = self._pool.choose(self._version, self._tried)
            if replica is not None and len(self._tried) < MOST_TRIES:
                await self._try_and_wait(replica)
            else:
                self._give_up()

    def _suspect_later(self, replica: Replica, started: float) -> asyncio.TimerHandle | None:
        """Looks at a try again when it has taken longer than is usual, or half of its time."""
        remaining = self._remaining()
        limits = [self._pool.patience_seconds(self._version), remaining / 2 if remaining is not None else None]
        known = [limit for limit in limits if limit is not None]
        if not known:
            return None
        return self._loop.call_later(max(min(known), LEAST_SUSPICION_SECONDS), self._suspect, replica, started)

    def _suspect(self, replica: Replica, started: float) -> None:
        """Takes note of a try that takes long, and sends the batch to another node as well."""
        self._suspects.append((replica, started))
        self._pool.look_at(replica.node)
        patience = self._pool.patience_seconds(self._version)
        if not self._pool.stalled(replica, started) and patience is not None and monotonic() - started >= patience:
            self._pool.strike(replica, "takes much longer than is usual")
        self._ask_another()

    def _ask_another(self) -> None:
        """Sends the batch to another node, the first answer counts; looks again later while that is not possible."""
        if self._answer.done() or len(self._tried) >= MOST_TRIES:
            return
        other = self._pool.choose(self._version, self._tried)
        if other is not None and self._budget.spare():
            self._start(self._hedge(other))
        else:
            self._loop.call_later(LEAST_SUSPICION_SECONDS, self._ask_another)

    async def _hedge(self, replica: Replica) -> None:
        async with self._budget.second_try():
            if not self._answer.done():
                await self._try_and_wait(replica)

    def _give_up(self) -> None:
        """Fails with what the model said to the one that it answered, if there was one."""
        unclear, tries = self._unclear, len(self._tried)
        self._fail(model_failed(self._version, unclear[1]) if unclear else gave_up(self._version, tries))

    def _fail(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)

    def _remaining(self) -> float | None:
        deadline = self._batch.deadline
        return None if deadline is None else max(deadline - self._loop.time(), 0.0)

    def _timeout_seconds(self) -> float | None:
        remaining = self._remaining()
        return None if remaining is None else remaining + WATCH_SECONDS


def error_of(version: ModelVersion, fault: NodeFault, lost: Unavailable) -> GatewayError:
    """Returns the error of a call that no other node is asked for; `lost` where the node, or its model, has gone."""
    match fault.blame:
        case Blame.NODE | Blame.MODEL_MISSING | Blame.MODEL_SICK:
            return lost
        case Blame.TIME:
            return no_answer(version)
        case Blame.REQUEST if fault.code is grpc.StatusCode.INVALID_ARGUMENT:
            return InvalidRequest("INVALID_FIELD", fault.details, model=version.model)
        case _:
            return model_failed(version, fault)


def no_node(version: ModelVersion, nodes: int) -> Unavailable:
    """The error of a batch that no node can take; the log says why."""
    return unavailable(version, f"none of its {nodes} nodes is ready" if nodes else "there are no nodes of its kind")


def gave_up(version: ModelVersion, tries: int) -> Unavailable:
    """The error of a batch that every node that was tried failed to answer; the log says why."""
    return unavailable(version, f"of its nodes {tries} were tried, and none could answer")


def no_answer(version: ModelVersion) -> Unavailable:
    """The error of a batch that was not answered in time."""
    return unavailable(version, "its node does not answer")


def unavailable(version: ModelVersion, problem: str) -> Unavailable:
    """The error of a batch that no node answers."""
    return Unavailable(
        "NODES_UNAVAILABLE",
        f"model '{version.model}' version {version.number} cannot be reached: {problem}; try again in a moment",
        model=version.model,
    )


def model_failed(version: ModelVersion, fault: NodeFault) -> ModelFailed:
    """The error of a batch that the model fails on, in the words of its node."""
    named = f"model '{version.model}' version {version.number} "
    told = fault.details.startswith(named)
    return ModelFailed(
        version.model, version.number, fault.details[len(named) :] if told else f"failed: {fault.details}"
    )
