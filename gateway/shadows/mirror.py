"""Asks shadows what the champion was asked, when nobody waits for it, and never at anybody's cost."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from random import random
from time import monotonic, perf_counter
from typing import Any

import structlog

from gateway.batching.conduct import conduct_of
from gateway.errors import ModelFailed, Unimplemented
from gateway.feature_views import Features
from gateway.interfaces import Answered, Backend, Method
from gateway.shadows.backlog import Backlog, Offer, kept_bytes
from gateway.shadows.comparison import Pair, compare
from gateway.shadows.complaints import Complaints
from gateway.shadows.counts import Counts
from gateway.shadows.leisure import Leisure
from gateway.telemetry.instruments import Instruments
from gateway.tensors import merge, split, wanted
from gateway.types import Arm, ModelVersion, Shadow, Tensors

# What is kept: so many calls of each shadow; of all together so many bytes, and of none more than is left for others.
MOST_CALLS, MOST_BYTES = 256, 16 * 1024 * 1024

# How long calls wait, and how long a shadow may take to answer them.
PATIENCE_SECONDS, ANSWER_SECONDS = 1.0, 5.0

# How long nothing is asked after a fault of the mirror itself.
FAULT_SECONDS = 1.0

# Shadows that are remembered before those of earlier catalogs are forgotten.
MOST_SHADOWS = 256

log = structlog.get_logger(__name__)


class Mirror:
    """Asks shadows, one batch at a time, past the lanes: no call ever stands behind a shadow's.

    Args:
        backend: Computes the batches.
        utilisation: Returns what part of the backend's places is taken now; 1 or more while calls wait.
        instruments: Count what comes of it.
        patience_seconds: What waits for longer is shed: if there was no room for so long, there is none.
    """

    def __init__(
        self,
        backend: Backend,
        utilisation: Callable[[], float],
        instruments: Instruments,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._backend = backend
        self._instruments = instruments
        self._patience_seconds = patience_seconds
        self._leisure = Leisure(utilisation)
        self._complaints = Complaints()
        self._backlogs: dict[tuple[str, ModelVersion], Backlog] = {}
        self._turns: deque[Backlog] = deque()
        self._size = 0
        self._offered = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def offer(self, method: Method, request: Any, arm: Arm, asked: Answered, features: Sequence[Features]) -> None:
        """Takes a call that the champion has answered, or sheds it; it returns at once, and raises nothing."""
        for shadow in arm.shadows:
            try:
                if random() < shadow.share:  # noqa: S311 - no secret
                    self._offer(shadow, method, request, arm, asked, features)
            except Exception as error:  # noqa: BLE001 - the call has its answer, whatever is wrong here
                self._complaints.tell(shadow, error)

    def describe(self) -> list[Mapping[str, Any]]:
        """Says how each shadow fares, ready for JSON."""
        return [backlog.describe() for backlog in self._backlogs.values()]

    async def close(self) -> None:
        """Ends what is under way, and lets go of everything."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._backlogs.clear()
        self._turns.clear()

    def _offer(  # noqa: PLR0913, PLR0917 - what an offer is
        self,
        shadow: Shadow,
        method: Method,
        request: Any,
        champion: Arm,
        asked: Answered,
        features: Sequence[Features],
    ) -> None:
        if not asked.inputs.rows:
            return  # nobody was asked
        backlog = self._backlogs.get((shadow.name, shadow.version)) or self._open(shadow)
        if len(backlog.offers) >= MOST_CALLS:
            backlog.counts.shed()
            return
        size = kept_bytes(asked)
        if size + backlog.size > MOST_BYTES - self._size - size:
            backlog.counts.shed()
            return
        backlog.add(Offer(method, request, champion, asked, features, size, monotonic()))
        self._size += size
        self._offered.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    def _open(self, shadow: Shadow) -> Backlog:
        """Begins to keep calls for a shadow."""
        if len(self._backlogs) >= MOST_SHADOWS:
            self._backlogs = {key: each for key, each in self._backlogs.items() if each.offers}
            self._turns = deque(self._backlogs.values())
        backlog = Backlog(shadow, Counts(self._instruments, shadow))
        self._backlogs[shadow.name, shadow.version] = backlog
        self._turns.append(backlog)
        return backlog

    async def _run(self) -> None:
        """Asks shadows whenever there is room, for ever."""
        while True:
            await self._offered.wait()
            try:
                await self._work_off()
            except Exception:
                log.exception("shadows are not asked for a moment")
                await asyncio.sleep(FAULT_SECONDS)

    async def _work_off(self) -> None:
        """Asks until nothing is left."""
        while any(backlog.offers for backlog in self._turns):
            has_room = await self._leisure.come()
            stale = monotonic() - self._patience_seconds
            self._size -= sum(backlog.shed_older(stale) for backlog in self._turns)
            backlog = self._next() if has_room else None
            if backlog is not None:
                self._leisure.spend(await self._ask(backlog))
        self._offered.clear()

    def _next(self) -> Backlog | None:
        """Returns the shadow whose turn it is; None if there is nothing to ask."""
        for _ in range(len(self._turns)):
            self._turns.rotate(-1)
            if self._turns[-1].offers:
                return self._turns[-1]
        return None

    async def _ask(self, backlog: Backlog) -> float:
        """Asks a shadow a few calls, and compares what it says; returns the seconds that this took of others."""
        offers, began = backlog.take(), perf_counter()
        answers = await self._answers_of(backlog, offers)
        seconds = perf_counter() - began
        for offer, outputs in zip(offers, answers, strict=False):
            seconds += await self._compare(backlog, offer, outputs)
        self._size -= sum(offer.size for offer in offers)
        return seconds

    async def _answers_of(self, backlog: Backlog, offers: list[Offer]) -> list[Tensors]:
        """Returns what a shadow says to some calls; nothing if it fails."""
        try:
            return await self._infer(backlog, [offer.asked.inputs for offer in offers])
        except ModelFailed as error:
            if len(offers) == 1:
                self._fail(backlog, offers, error)
            else:  # they are asked one by one, so that only the culprit fails
                backlog.portion.fail()
                backlog.give_back(offers)
                self._size += sum(offer.size for offer in offers)
        except Exception as error:  # noqa: BLE001 - whatever the backend raises, the shadow has failed
            self._fail(backlog, offers, error)
        return []

    async def _infer(self, backlog: Backlog, calls: Sequence[Tensors]) -> list[Tensors]:
        """Asks a shadow; returns its answer to each call.

        Raises:
            Exception: Whatever the backend raises.
        """
        version, inputs = backlog.shadow.version, merge(calls)
        if backlog.is_apt is None:
            backlog.is_apt = not conduct_of(self._backend.config(version)).one_at_a_time
        if not backlog.is_apt:
            raise unfit(version)
        began, deadline = perf_counter(), asyncio.get_running_loop().time() + ANSWER_SECONDS
        outputs = await self._backend.infer(version, inputs, deadline)
        backlog.portion.observe(inputs.rows, perf_counter() - began)
        if outputs.rows != inputs.rows:
            raise ModelFailed(version.model, version.number, f"answered {outputs.rows} rows to {inputs.rows}")
        return split(outputs, wanted(version, inputs.terms), [call.rows for call in calls])

    def _fail(self, backlog: Backlog, offers: Sequence[Offer], error: Exception) -> None:
        """Counts calls that the shadow failed, and says why."""
        backlog.counts.fail(len(offers))
        self._complaints.tell(backlog.shadow, error)

    async def _compare(self, backlog: Backlog, offer: Offer, outputs: Tensors) -> float:
        """Compares the answers to one call; others work between two steps of it. Returns the seconds of the steps."""
        pair = Pair(offer.request, offer.champion, offer.asked, offer.features, backlog.arm, outputs)
        steps, seconds = compare(offer.method, pair), 0.0
        try:
            while True:
                await self._leisure.give_way()
                began = perf_counter()
                found = next(steps, None)
                if found is None:
                    break
                backlog.counts.take(found)
                seconds += perf_counter() - began
        except Exception as error:  # noqa: BLE001 - whatever it is, these answers cannot be compared
            self._fail(backlog, [offer], error)
        else:
            backlog.counts.compare()
        return seconds


def unfit(version: ModelVersion) -> Unimplemented:
    """The error of a version that cannot be a shadow."""
    told = f"model '{version.model}' version {version.number} keeps state along a sequence, or has several responses to"
    return Unimplemented("FEATURE_NOT_SERVED", f"{told} a request: take it out of the shadows", model=version.model)
