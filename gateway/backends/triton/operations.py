"""What operators ask of the nodes: every node is asked, and one answers for all."""

import asyncio
from collections.abc import Callable, Mapping

import grpc

from gateway.backends.operations import read_load, read_unload
from gateway.backends.triton.care import Care
from gateway.backends.triton.faults import Blame, NodeFault
from gateway.backends.triton.node import CONTROL_SECONDS, Node
from gateway.errors import GatewayError, InvalidRequest, NotFound, Unavailable, Unimplemented

REFUSALS: dict[grpc.StatusCode, type[GatewayError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
}


class Operations:
    """Carries out what operators ask.

    Args:
        cares: Returns the nodes now, and who looks after each.

    Attributes:
        withdrawn: Models that an operator has unloaded.
    """

    def __init__(self, cares: Callable[[], Mapping[Node, Care]]) -> None:
        self.withdrawn: set[str] = set()
        self._cares = cares

    async def carry_out(self, operation: str, request: bytes) -> bytes:
        """Asks every node that can be reached; returns the answer of one.

        Raises:
            GatewayError: A node refused, in its own words, or none can be reached.
        """
        match operation:
            case "RepositoryModelLoad":
                return await self._bring_back(read_load(request), request)
            case "RepositoryModelUnload":
                return await self._withdraw(read_unload(request), request)
        return await self._ask_all(operation, request)

    async def _withdraw(self, model: str, request: bytes) -> bytes:
        """Unloads a model everywhere; if that is refused, the model stays."""
        before = model in self.withdrawn
        self.withdrawn.add(model)  # first, so that nobody takes its absence for a loss
        try:
            return await self._ask_all("RepositoryModelUnload", request)
        except GatewayError:
            if not before:
                self.withdrawn.discard(model)
            raise

    async def _bring_back(self, model: str, request: bytes) -> bytes:
        """Loads a model everywhere."""
        answer = await self._ask_all("RepositoryModelLoad", request)
        self.withdrawn.discard(model)
        for care in self._cares().values():
            care.retry(model)
        return answer

    async def _ask_all(self, operation: str, request: bytes) -> bytes:
        nodes = list(self._cares())
        asked = (node.call(operation, request, CONTROL_SECONDS) for node in nodes)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        faults = [answer for answer in answers if isinstance(answer, NodeFault)]
        refusal = next((fault for fault in faults if fault.blame is not Blame.NODE), None)
        given = [answer for answer in answers if isinstance(answer, bytes)]
        if refusal is not None:
            raise REFUSALS.get(refusal.code, GatewayError)("OPERATION_REFUSED", refusal.details)
        if not given:
            told = "; ".join(f"{node.address}: {fault.details}" for node, fault in zip(nodes, faults, strict=True))
            raise Unavailable("NODES_UNAVAILABLE", f"no node can be reached ({told or 'none is set'}); try again")
        return given[0]
