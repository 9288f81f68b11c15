"""What operators ask of the nodes: every node is asked, and one answers for all."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from time import monotonic

import grpc

from gateway.backends.operations import REFUSED, read_load, read_unload
from gateway.backends.triton.care import Care
from gateway.backends.triton.faults import Blame, NodeFault
from gateway.backends.triton.node import CONTROL_SECONDS, Node
from gateway.backends.triton.pool import Pool
from gateway.errors import GatewayError, InvalidRequest, NotFound, Unavailable, Unimplemented

REFUSALS: dict[grpc.StatusCode, type[GatewayError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
}


READY_SECONDS, READY_LOOK_SECONDS = 10.0, 0.02


class Operations:
    """Carries out what operators ask.

    Args:
        pool: Knows the versions of a model, and who serves them.
        cares: Returns the nodes now, and who looks after each.

    Attributes:
        withdrawn: Versions that an operator has unloaded; new versions of their models are served as any other.
    """

    def __init__(self, pool: Pool, cares: Callable[[], Mapping[Node, Care]]) -> None:
        self.withdrawn: set[tuple[str, int]] = set()
        self._pool = pool
        self._cares = cares

    async def carry_out(self, operation: str, request: bytes) -> bytes:
        """Asks every node that it concerns and that can be reached; returns the answer of one.

        Raises:
            GatewayError: A node refused, in its own words, or none can be reached.
        """
        match operation:
            case "RepositoryModelLoad":
                return await self._bring_back(read_load(request), request)
            case "RepositoryModelUnload":
                return await self._withdraw(read_unload(request), request)
        return await self._ask(self._cares(), operation, request)

    async def _withdraw(self, model: str, request: bytes) -> bytes:
        """Unloads a model everywhere; if that fails, the model stays."""
        news = {(model, version.number) for version in self._pool.versions_of(model)} - self.withdrawn
        self.withdrawn |= news  # first, so that nobody takes its absence for a loss
        try:
            return await self._ask(self._nodes_of(model), "RepositoryModelUnload", request)
        except BaseException:
            self.withdrawn -= news
            raise

    async def _bring_back(self, model: str, request: bytes) -> bytes:
        """Loads a model everywhere."""
        answer = await self._ask(self._nodes_of(model), "RepositoryModelLoad", request)
        self.withdrawn = {each for each in self.withdrawn if each[0] != model}
        for care in self._cares().values():
            care.retry(model)
        await self._see_it_ready(model)
        return answer

    async def _see_it_ready(self, model: str) -> None:
        """Waits until the gateway knows of what is loaded: the operator's next call is answered."""
        end = monotonic() + READY_SECONDS
        for version in self._pool.versions_of(model):
            while monotonic() < end and not self._pool.ready(version):
                await asyncio.sleep(READY_LOOK_SECONDS)

    def _nodes_of(self, model: str) -> Collection[Node]:
        """Returns the nodes that serve a model; all, if it is not served."""
        serving = [
            replica.node for version in self._pool.versions_of(model) for replica in self._pool.replicas(version)
        ]
        return dict.fromkeys(serving) or self._cares()

    async def _ask(self, nodes: Collection[Node], operation: str, request: bytes) -> bytes:
        cares = self._cares()
        once = {
            node.address: node for node in nodes if node in cares and cares[node].reachable
        }  # it may be in both pools
        asked = [answer_or_fault(node.call(operation, request, CONTROL_SECONDS)) for node in once.values()]
        answers = await asyncio.gather(*asked)
        given = [answer for answer in answers if isinstance(answer, bytes)]
        faults = [answer for answer in answers if isinstance(answer, NodeFault)]
        refusal = next((fault for fault in faults if fault.blame is not Blame.NODE), None)
        if refusal is not None:
            raise REFUSALS.get(refusal.code, GatewayError)(REFUSED, refusal.details)
        if not given:
            raise Unavailable("NODES_UNAVAILABLE", f"none of {len(nodes)} nodes can be reached; try again in a moment")
        return given[0]


async def answer_or_fault(call: Awaitable[bytes]) -> bytes | NodeFault:
    """Returns the fault of a node as a value."""
    try:
        return await call
    except NodeFault as fault:
        return fault
