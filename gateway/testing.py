"""What tests and benchmarks of Gapura, and of services that call it, start and stop: a gateway, and a fake backend."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tritonclient.grpc import model_config_pb2

from gateway.app import Gateway
from gateway.feature_views import NO_FEATURES, Features, FeatureStatus, FeatureView, FreshRow, Lookup, defaults_of, fill
from gateway.settings import Settings
from gateway.traces import BatchTrace, CallTrace
from gateway.types import ModelVersion, Priority, Response, Statistics, Tensors


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
        responses: What a decoupled model sends to each request; None where the model is not decoupled.
    """

    batches: list[Tensors] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    fails: Callable[[Tensors], Exception | None] = lambda _: None
    loaded: set[ModelVersion] = field(default_factory=set)
    operations: list[tuple[str, bytes]] = field(default_factory=list)
    responses: Sequence[Response] | None = None

    def __post_init__(self) -> None:
        self.open.set()

    async def load(self, version: ModelVersion) -> None:
        """Notes the version."""
        self.loaded.add(version)

    async def unload(self, version: ModelVersion) -> None:
        """Forgets the version."""
        self.loaded.discard(version)

    def config(self, version: ModelVersion) -> bytes:
        """Returns a configuration of the version's batch size."""
        return bytes(model_config_pb2.ModelConfig(max_batch_size=version.max_batch_size).SerializeToString())

    def ready(self, version: ModelVersion) -> bool:
        """Says whether the version is loaded."""
        return version in self.loaded

    def places(self, version: ModelVersion) -> int:  # noqa: ARG002 - the same for all
        """Returns that it computes one batch at a time."""
        return 1

    def streams(self, version: ModelVersion) -> bool:  # noqa: ARG002 - the same for all
        """Says whether it has several responses to a request."""
        return self.responses is not None

    async def stream(
        self,
        version: ModelVersion,  # noqa: ARG002 - the same for all
        inputs: Tensors,
        deadline: float | None,  # noqa: ARG002 - it never takes long
    ) -> AsyncGenerator[Response, None]:
        """Yields its responses, each once it is open."""
        self.batches.append(inputs)
        for response in self.responses or ():
            await self.open.wait()
            yield response

    def statistics(self, version: ModelVersion, tenant: str | None = None) -> Statistics:  # noqa: ARG002 - it counts nothing
        """Returns no counts."""
        return Statistics()

    async def operate(self, operation: str, request: bytes) -> bytes:
        """Notes what an operator asks, and answers with an empty message."""
        self.operations.append((operation, request))
        return b""

    def describe_nodes(self) -> Sequence[Mapping[str, Any]]:
        """Says that there are none."""
        return ()

    async def close(self) -> None:
        """Has nothing to release."""

    async def infer(
        self,
        version: ModelVersion,  # noqa: ARG002 - every one answers alike
        inputs: Tensors,
        deadline: float | None,  # noqa: ARG002 - it never takes long
        *,
        trace: BatchTrace | None = None,  # noqa: ARG002 - there is one attempt
    ) -> Tensors:
        """Answers with the first input, once it is open."""
        self.batches.append(inputs)
        await self.open.wait()
        failure = self.fails(inputs)
        if failure is not None:
            raise failure
        return Tensors(inputs.rows, inputs.shapes[:1], inputs.data[:1])


class FakeLanes(FakeBackend):
    """A fake backend in the place of lanes, which merges nothing."""

    async def infer(  # noqa: PLR0913 - what a call is
        self,
        version: ModelVersion,
        inputs: Tensors,
        deadline: float | None,
        tenant: str = "",  # noqa: ARG002 - nobody waits
        priority: Priority = Priority.NORMAL,  # noqa: ARG002 - nobody waits
        *,
        trace: Any = None,  # noqa: ARG002 - nothing is noted
    ) -> Tensors:
        """Answers with the first input, once it is open."""
        return await FakeBackend.infer(self, version, inputs, deadline)


@dataclass(slots=True)
class FakeFeatures:
    """Stored features: those that are given or pushed; of any other entity there are the defaults.

    Attributes:
        stored: Features by the names of view and entity.
        at_hand: Whether they are at hand, or have to be fetched.
        wanted: What it was asked to fetch or found at hand, in order.
    """

    stored: dict[tuple[str, str], Features] = field(default_factory=dict)
    at_hand: bool = False
    wanted: list[Sequence[Lookup | None]] = field(default_factory=list)

    def peek(self, wanted: Sequence[Lookup | None]) -> list[Features] | None:
        """Returns the features, if they are at hand."""
        return self._find(wanted) if self.at_hand else None

    async def fetch(self, wanted: Sequence[Lookup | None]) -> list[Features]:
        """Returns the features, after a turn of the event loop."""
        await asyncio.sleep(0)
        return self._find(wanted)

    async def push(self, view: FeatureView, rows: Sequence[FreshRow]) -> int:
        """Stores rows, each unless a later one is stored; returns how many it stored."""
        written = 0
        for entity, values, event_time_ms in rows:
            known = self.stored.get((view.name, entity))
            if known is None or known.event_time_ms <= event_time_ms:
                self.stored[view.name, entity] = Features(
                    values, fill(view, values), FeatureStatus.FRESH, event_time_ms
                )
                written += 1
        return written

    def describe(self) -> None:
        """Says that there is no store."""

    def _find(self, wanted: Sequence[Lookup | None]) -> list[Features]:
        self.wanted.append(wanted)
        return [NO_FEATURES if lookup is None else self._features(lookup) for lookup in wanted]

    def _features(self, lookup: Lookup) -> Features:
        return self.stored.get((lookup.view.name, lookup.entity), defaults_of(lookup.view))


@dataclass(slots=True)
class FakeTelemetry:
    """Telemetry that remembers which calls are under way, and what the others ended with.

    Attributes:
        under_way: Calls that have begun and not ended.
        ended: Path and code of each that has.
    """

    under_way: list[CallTrace] = field(default_factory=list)
    ended: list[tuple[str, int]] = field(default_factory=list)

    def begin(self, path: str, received: float, parent: str | None = None, state: str | None = None) -> CallTrace:
        """Begins a call."""
        trace = CallTrace(path, received)
        trace.parent, trace.state = parent or "", state or ""
        self.under_way.append(trace)
        return trace

    def end(self, trace: CallTrace, code: int = 0, error: BaseException | None = None) -> None:
        """Ends one; each only once."""
        self.under_way.remove(trace)
        trace.code = code
        trace.reason = getattr(error, "reason", "")
        self.ended.append((trace.path, code))
