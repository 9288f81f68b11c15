"""Looks after one node: asks what is ready, loads what is missing, heals what is sick."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import structlog

from gateway.backends.triton.faults import Blame, NodeFault
from gateway.backends.triton.node import Node
from gateway.backends.triton.pool import Pool
from gateway.backends.triton.replica import Health, Replica
from gateway.types import ModelVersion

PROBE_SECONDS = 1.0
MISSING_PROBE_SECONDS = 0.2
PROBE_TIMEOUT_SECONDS = 1.0
HANDOVER_SECONDS = 15.0  # a publisher that goes from node to node needs the old version for as long as this
LOAD_AGAIN_SECONDS = 1.0
MOST_LOAD_AGAIN_SECONDS = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The latest of several attempts to load a model.

    Attributes:
        number: How many there were, since the model was last ready.
        again_at: When the next one may begin, in seconds of `monotonic`.
        problem: What the node said; empty if it said nothing against it.
    """

    number: int = 0
    again_at: float = 0.0
    problem: str = ""

    def next(self, problem: str) -> "Attempt":
        """Returns the attempt after this one, which ended now."""
        wait = min(LOAD_AGAIN_SECONDS * (1 << min(self.number, 10)), MOST_LOAD_AGAIN_SECONDS)
        return Attempt(self.number + 1, monotonic() + wait, problem)


class Care:
    """Keeps what a node should serve ready on it.

    Args:
        node: The node.
        pool: Is told what is ready and what is not.
        withdrawn: Says whether an operator has unloaded a version: it is left alone.
        check: Takes the configuration of a version that is ready; returns what is wrong with it, or nothing.

    Attributes:
        reachable: Whether the node answered when it was last asked; so it is taken until it was asked.
    """

    def __init__(
        self,
        node: Node,
        pool: Pool,
        withdrawn: Callable[[ModelVersion], bool],
        check: Callable[[ModelVersion, bytes], str],
    ) -> None:
        self.reachable = True
        self._node = node
        self._pool = pool
        self._withdrawn = withdrawn
        self._check = check
        self._attempts: dict[str, Attempt] = {}
        self._handovers: dict[ModelVersion, float] = {}
        self._loads: dict[str, asyncio.Task[None]] = {}
        self._nudged = asyncio.Event()
        self._looked = False
        self._task = asyncio.create_task(self._run())

    @property
    def settled(self) -> bool:
        """Says whether the node was asked since the last nudge, and nothing is being loaded."""
        return self._looked and not self._loads

    def nudge(self) -> None:
        """Makes it look at once."""
        self._looked = False
        self._nudged.set()

    def retry(self, model: str) -> None:
        """Lets a model be loaded without waiting for its next attempt."""
        self._attempts.pop(model, None)
        self.nudge()

    async def close(self) -> None:
        """Ends it; loads under way go on at the node."""
        tasks = [self._task, *self._loads.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._nudged.clear()
            replicas = self._pool.replicas_on(self._node)
            self._forget_all_but({replica.version for replica in replicas})
            try:
                await asyncio.gather(*map(self._look_at, replicas))
            except Exception:
                log.exception("a look at a node failed", node=self._node.address)
            self._looked = not self._nudged.is_set()
            all_ready = all(replica.ready for replica in replicas)
            with suppress(TimeoutError):
                # `wait_for` of Python 3.11 loses a cancellation that comes together with a nudge.
                async with asyncio.timeout(PROBE_SECONDS if all_ready else MISSING_PROBE_SECONDS):
                    await self._nudged.wait()

    def _forget_all_but(self, versions: set[ModelVersion]) -> None:
        for version in self._handovers.keys() - versions:
            del self._handovers[version]

    async def _look_at(self, replica: Replica) -> None:
        """Asks for one version, and sees to what is wrong with it."""
        asked = monotonic()
        try:
            ready = await self._node.is_ready(replica.version.model, replica.version.number, PROBE_TIMEOUT_SECONDS)
        except NodeFault as fault:
            if self._node.answered_at < asked:  # else it is only busy
                self._lose_node(fault)
            return
        self.reachable = True
        if replica.health is Health.SICK:
            self._load(replica.version, heal=True)
        elif ready:
            await self._take_in(replica)
        else:
            await self._supply(replica)

    async def _supply(self, replica: Replica) -> None:
        """Loads what is missing; while the node serves another version of it, its publisher goes first."""
        model = replica.version.model
        attempt = self._attempts.get(model, Attempt())
        self._pool.lose(replica, Health.MISSING, attempt.problem or "has not loaded it")
        if replica.version not in self._handovers:
            grace = HANDOVER_SECONDS if await self._serves_another(model) else 0.0
            self._handovers[replica.version] = monotonic() + grace
        if self._handovers[replica.version] <= monotonic():
            self._load(replica.version, heal=False)

    async def _serves_another(self, model: str) -> bool:
        try:
            return await self._node.is_ready(model, None, PROBE_TIMEOUT_SECONDS)
        except NodeFault:
            return False

    async def _take_in(self, replica: Replica) -> None:
        """Lets a version that is ready take calls, if it is the one that the catalog means."""
        if replica.ready:
            return
        try:
            config = await self._node.config(replica.version, PROBE_TIMEOUT_SECONDS)
        except NodeFault as fault:
            self._pool.lose(replica, Health.MISSING, fault.details)
            return
        problem = self._check(replica.version, config)
        if problem:
            self._pool.lose(replica, Health.MISSING, problem)
        else:
            self._attempts.pop(replica.version.model, None)
            self._handovers.pop(replica.version, None)
            self._pool.find(replica)

    def _lose_node(self, fault: NodeFault) -> None:
        self.reachable = False
        self._pool.lose_node(self._node, fault.details)
        if fault.blame is Blame.TIME:
            self._node.give_up()

    def _load(self, version: ModelVersion, *, heal: bool) -> None:
        """Starts to load a model, unless that is under way, not wanted or too early."""
        model = version.model
        waits = self._attempts.get(model, Attempt()).again_at > monotonic()
        if model not in self._loads and not self._withdrawn(version) and not waits:
            self._loads[model] = asyncio.create_task(self._load_now(model, heal=heal))

    async def _load_now(self, model: str, *, heal: bool) -> None:
        log.info("healing" if heal else "loading", node=self._node.address, model=model)
        problem = ""
        try:
            if heal:
                await self._node.unload(model)
                self._lose(model, "is being loaded again")
            await self._node.load(model)
        except NodeFault as fault:
            problem = f"cannot load it: {fault.details}"
            log.warning("load failed", node=self._node.address, model=model, reason=fault.details)
        finally:
            del self._loads[model]
        self._attempts[model] = self._attempts.get(model, Attempt()).next(problem)
        self.nudge()

    def _lose(self, model: str, problem: str) -> None:
        """Takes out every version of a model."""
        for replica in self._pool.replicas_on(self._node):
            if replica.version.model == model:
                self._pool.lose(replica, Health.MISSING, problem)
