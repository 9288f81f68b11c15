"""The nodes of one pool, CPU or GPU: found, followed while they come and go, and looked after."""

import asyncio
from collections.abc import Callable
from time import monotonic

import structlog

from gateway.backends.triton.care import Care
from gateway.backends.triton.discovery import Discovery
from gateway.backends.triton.node import Node
from gateway.backends.triton.pool import Pool
from gateway.types import ModelVersion, Placement

LEAVE_SECONDS = 30.0
LEAVE_LOOK_SECONDS = 0.1

log = structlog.get_logger(__name__)


class Fleet:
    """The nodes of one pool.

    Attributes:
        cares: The nodes now, and who looks after each.

    Args:
        placement: Whose versions they serve.
        discovery: Finds them.
        pool: Is told of them.
        care: Takes a node to the one who looks after it.
        look_up_seconds: Time between two lookups of the nodes.
    """

    def __init__(
        self,
        placement: Placement,
        discovery: Discovery,
        pool: Pool,
        care: Callable[[Node], Care],
        look_up_seconds: float,
    ) -> None:
        self.cares: dict[Node, Care] = {}
        self._placement = placement
        self._discovery = discovery
        self._pool = pool
        self._care = care
        self._look_up_seconds = look_up_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Finds the nodes, and follows them from then on."""
        await self._refresh()
        self._keep(asyncio.create_task(self._follow()))

    async def close(self) -> None:
        """Ends everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for node, care in self.cares.items():
            await care.close()
            await node.close()
        self.cares.clear()

    def spread(self, version: ModelVersion) -> None:
        """Lets every node serve a version."""
        self._pool.spread(version, self.cares)
        for care in self.cares.values():
            care.nudge()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._look_up_seconds)
            try:
                await self._refresh()
            except Exception:
                log.exception("looking up nodes failed", placement=self._placement.value)

    async def _refresh(self) -> None:
        """Takes in nodes that are new, lets go of those that have gone."""
        found = await self._discovery.find()
        known = {node.address: node for node in self.cares}
        for address in sorted(found - known.keys()):
            node = Node(address)
            self.cares[node] = self._care(node)
        for address in known.keys() - found:
            self._keep(asyncio.create_task(self._leave(known[address], self.cares.pop(known[address]))))
        if found != known.keys():
            log.info("nodes", placement=self._placement.value, nodes=sorted(found))
            for version in list(self._pool.versions()):
                if version.placement is self._placement:
                    self.spread(version)

    async def _leave(self, node: Node, care: Care) -> None:
        """Lets go of a node once its batches are answered."""
        end = monotonic() + LEAVE_SECONDS
        try:
            await care.close()
            while node.outstanding_rows and monotonic() < end:
                await asyncio.sleep(LEAVE_LOOK_SECONDS)
        finally:
            await node.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
