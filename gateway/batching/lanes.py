"""A backend that merges calls for another backend: one lane per model version."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from gateway.batching.admission import LaneLimits
from gateway.batching.lane import Lane
from gateway.errors import Unavailable
from gateway.interfaces import Backend
from gateway.traces import UNTRACED, CallTrace
from gateway.types import ModelVersion, Priority, Response, Statistics, Tensors


class Lanes:
    """A backend that merges concurrent calls for another backend, one lane per model version.

    Args:
        backend: Computes the batches.
        limits: Of each lane.
    """

    def __init__(self, backend: Backend, limits: LaneLimits) -> None:
        self._backend = backend
        self._limits = limits
        self._lanes: dict[ModelVersion, Lane] = {}

    async def load(self, version: ModelVersion) -> None:
        """Loads the version and opens its lane."""
        await self._backend.load(version)
        self._lanes.setdefault(version, Lane(self._backend, version, self._limits))

    async def unload(self, version: ModelVersion) -> None:
        """Closes the lane once it is empty, then unloads the version."""
        lane = self._lanes.pop(version, None)
        if lane is not None:
            await lane.drain()
        if version not in self._lanes:  # else it was loaded again meanwhile
            await self._backend.unload(version)

    def config(self, version: ModelVersion) -> bytes:
        """Returns the serialised `inference.ModelConfig` of a loaded version."""
        return self._backend.config(version)

    def ready(self, version: ModelVersion) -> bool:
        """Says whether a loaded version can answer now."""
        return self._backend.ready(version)

    def places(self, version: ModelVersion) -> int:
        """Returns how many batches of a loaded version can be computed side by side now; at least 1."""
        return self._backend.places(version)

    def streams(self, version: ModelVersion) -> bool:
        """Says whether a loaded version is decoupled: its calls take no part in a lane."""
        return self._backend.streams(version)

    def stream(self, version: ModelVersion, inputs: Tensors, deadline: float | None) -> AsyncGenerator[Response, None]:
        """Yields the responses of a decoupled version to one request, as they come."""
        return self._backend.stream(version, inputs, deadline)

    async def operate(self, operation: str, request: bytes) -> bytes:
        """Does what an operator asks of the servers.

        Raises:
            GatewayError: A server refused; the message is the server's own.
        """
        return await self._backend.operate(operation, request)

    def statistics(self, version: ModelVersion, tenant: str | None = None) -> Statistics:
        """Returns what a loaded version has done for a tenant, or for all; nothing, if it was unloaded meanwhile."""
        lane = self._lanes.get(version)
        return lane.counts.of(tenant) if lane else Statistics()

    async def infer(  # noqa: PLR0913 - what a call is
        self,
        version: ModelVersion,
        inputs: Tensors,
        deadline: float | None,
        tenant: str = "",
        priority: Priority = Priority.NORMAL,
        *,
        trace: CallTrace = UNTRACED,
    ) -> Tensors:
        """Answers a call, together with those that wait beside it.

        Raises:
            Unavailable: The version was unloaded since the caller chose it.
            Overloaded: Too much waits already, or the call could not be answered by its deadline.
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
        call = lane.submit(inputs, deadline, tenant, priority, trace)
        try:
            return await call.outputs
        except asyncio.CancelledError:
            lane.leave(call)
            raise

    def describe_nodes(self) -> Sequence[Mapping[str, Any]]:
        """Says how every version is on every node now, ready for JSON."""
        return self._backend.describe_nodes()

    def utilisation(self) -> float:
        """Returns what part of the places that compute batches is taken; 1 at least while calls wait."""
        return sum(lane.utilisation for lane in self._lanes.values())

    def describe(self) -> list[Mapping[str, Any]]:
        """Says how lanes are now, ready for JSON; those that nobody has called are left out."""
        return [lane.describe() for lane in self._lanes.values() if lane.counts.total.last_call]

    async def close(self) -> None:
        """Closes the backend."""
        await self._backend.close()
