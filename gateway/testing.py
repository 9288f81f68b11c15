"""What tests and benchmarks of Gapura, and of services that call it, start and stop: a gateway, and a fake backend."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.app import Gateway
from gateway.settings import Settings
from gateway.types import ModelVersion, Statistics, Tensors


@asynccontextmanager
async def running_gateway(settings: Settings) -> AsyncIterator[tuple[Gateway, str]]:
    """Runs a gateway in this event loop; yields it and its address."""
    gateway = Gateway(settings)
    address = await gateway.start()
    try:
        yield gateway, address
    finally:
        await gateway.stop()


@dataclass(slots=True)
class FakeBackend:
    """A backend that answers with its first input, and can be held or made to fail.

    Attributes:
        batches: Inputs of every batch that it was given, in order.
        open: Cleared, it holds every batch until set again.
        fails: Says for inputs whether to fail, and with what.
        loaded: Versions that are loaded.
        operations: Every operation that it was asked to do, with its request.
    """

    batches: list[Tensors] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    fails: Callable[[Tensors], Exception | None] = lambda _: None
    loaded: set[ModelVersion] = field(default_factory=set)
    operations: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open.set()

    async def load(self, version: ModelVersion) -> None:
        """Notes the version."""
        self.loaded.add(version)

    async def unload(self, version: ModelVersion) -> None:
        """Forgets the version."""
        self.loaded.discard(version)

    def config(self, version: ModelVersion) -> bytes:  # noqa: ARG002 - the same for all
        """Returns an empty configuration."""
        return b""

    def ready(self, version: ModelVersion) -> bool:
        """Says whether the version is loaded."""
        return version in self.loaded

    def statistics(self, version: ModelVersion) -> Statistics:  # noqa: ARG002 - it counts nothing
        """Returns no counts."""
        return Statistics()

    async def operate(self, operation: str, request: bytes) -> bytes:
        """Notes what an operator asks, and answers with an empty message."""
        self.operations.append((operation, request))
        return b""

    async def close(self) -> None:
        """Has nothing to release."""

    async def infer(self, version: ModelVersion, inputs: Tensors, deadline: float | None) -> Tensors:  # noqa: ARG002 - it never takes long
        """Answers with the first input, once it is open."""
        self.batches.append(inputs)
        await self.open.wait()
        failure = self.fails(inputs)
        if failure is not None:
            raise failure
        return Tensors(inputs.rows, inputs.shapes[:1], inputs.data[:1])
