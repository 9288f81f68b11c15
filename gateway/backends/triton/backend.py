"""The backend over a pool of Triton nodes, as the gateway sees it."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any

import structlog
from tritonclient.grpc import model_config_pb2

from gateway.backends.operations import unloaded
from gateway.backends.repository import misfit
from gateway.backends.triton.budget import RetryBudget
from gateway.backends.triton.care import Care
from gateway.backends.triton.delivery import Batch, Delivery, no_node
from gateway.backends.triton.discovery import Discovery
from gateway.backends.triton.faults import NodeFault
from gateway.backends.triton.fleet import Fleet
from gateway.backends.triton.node import Node
from gateway.backends.triton.operations import Operations
from gateway.backends.triton.pool import Pool
from gateway.backends.triton.replica import Replica
from gateway.backends.triton.sequences import Sequences
from gateway.backends.triton.streaming import stream_from
from gateway.backends.triton.wire import ResponseReader, encode_request
from gateway.errors import CatalogError
from gateway.traces import BatchTrace
from gateway.traits import Traits, read_traits
from gateway.types import ModelVersion, Placement, Response, Tensors

LOOK_UP_SECONDS = 5.0
LOAD_LOOK_SECONDS = 0.02
LOAD_SECONDS = 120.0
MOST_TRIAL_BYTES = 1_048_576  # a copy of more than this is no small favour

log = structlog.get_logger(__name__)


class TritonBackend:
    """Model versions on Triton nodes.

    Args:
        nodes: Finds the nodes of each kind.
        look_up_seconds: Time between two lookups of the nodes.
    """

    def __init__(self, nodes: Mapping[Placement, Discovery], look_up_seconds: float = LOOK_UP_SECONDS) -> None:
        self._pool = Pool(self._nudge)
        self._budget = RetryBudget()
        self._operations = Operations(self._pool, self._cares)
        self._configs: dict[ModelVersion, bytes] = {}
        self._traits: dict[ModelVersion, Traits] = {}
        self._sequences = Sequences(self._pool)
        self._responses = ResponseReader()
        self._trials: set[asyncio.Task[None]] = set()
        self._fleets = {
            placement: Fleet(placement, discovery, self._pool, self._care_for, look_up_seconds)
            for placement, discovery in nodes.items()
        }
        self._starting: asyncio.Task[None] | None = None

    async def load(self, version: ModelVersion) -> None:
        """Waits until a node has the version ready; nodes that lack it are told to load it.

        While no node can be reached, a model that was not served before is taken in all the same: its calls are
        answered as soon as a node is.

        Raises:
            CatalogError: The nodes cannot load it, or none can be reached and another version of it is live.
        """
        await self._start()
        fleet = self._fleets[version.placement]
        served = any(known is not version for known in self._pool.versions_of(version.model))
        fleet.spread(version)
        if self._withdrawn(version) or await self._settle(version, fleet):
            return
        told = (f"{replica.node.address} {replica.problem}" for replica in self._pool.replicas(version))
        problem = f"no node is ready for '{version.model}' version {version.number}: {'; '.join(told) or 'none is set'}"
        if served or any(care.reachable for care in fleet.cares.values()):
            raise CatalogError(problem, model=version.model)
        log.warning("no node yet", reason=problem)

    async def _settle(self, version: ModelVersion, fleet: Fleet) -> bool:
        """Waits until a node is ready, or nothing more is to be expected; returns whether one is."""
        end = monotonic() + LOAD_SECONDS
        while not self.ready(version) and monotonic() < end:
            if all(care.settled for care in fleet.cares.values()):
                break
            await asyncio.sleep(LOAD_LOOK_SECONDS)
        return self.ready(version)

    async def unload(self, version: ModelVersion) -> None:
        """Forgets the version; the publisher unloads it from the nodes."""
        self._pool.remove(version)
        self._sequences.forget(version)
        self._configs.pop(version, None)
        self._traits.pop(version, None)

    def config(self, version: ModelVersion) -> bytes:
        """Returns the serialised `inference.ModelConfig` that the nodes run with.

        Raises:
            Unavailable: No node has been ready yet.
        """
        if version not in self._configs:
            raise no_node(version, len(self._pool.replicas(version)))
        return self._configs[version]

    def ready(self, version: ModelVersion) -> bool:
        """Says whether any node can answer now."""
        return not self._withdrawn(version) and self._pool.ready(version)

    def places(self, version: ModelVersion) -> int:
        """Returns how many instances of the version there are on nodes that are ready; 1 where that is not known."""
        traits = self._traits.get(version)
        return max(self._pool.count_ready(version) * traits.instances, 1) if traits else 1

    def streams(self, version: ModelVersion) -> bool:
        """Says whether a loaded version is decoupled."""
        traits = self._traits.get(version)
        return traits is not None and traits.decoupled

    def replicas(self, version: ModelVersion) -> Sequence[Replica]:
        """Returns how a loaded version is on each of its nodes."""
        return self._pool.replicas(version)

    async def operate(self, operation: str, request: bytes) -> bytes:
        """Asks every node that can be reached; returns the answer of one.

        Raises:
            GatewayError: A node refused, in its own words, or none can be reached.
        """
        await self._start()
        return await self._operations.carry_out(operation, request)

    async def infer(
        self, version: ModelVersion, inputs: Tensors, deadline: float | None, *, trace: BatchTrace | None = None
    ) -> Tensors:
        """Sends a batch to a node, and to others if that one fails.

        Raises:
            NotFound: An operator has unloaded the model.
            Unavailable: No node could be reached, or none of those that were tried answered.
            ModelFailed: The model failed on these inputs.
        """
        if self._withdrawn(version):
            raise unloaded(version.model)
        noted = BatchTrace(version, 1) if trace is None else trace
        batch = Batch(version, partial(encode_request, version, inputs), inputs.rows, deadline, noted)
        traits = self._traits.get(version)
        if traits is not None and traits.keeps_state:
            message = await self._sequences.infer(batch, inputs.terms.parameters)
            return self._responses.read(version, inputs, message)
        trial = self._pool.due_trial(version) if sum(map(len, inputs.data)) < MOST_TRIAL_BYTES else None
        if trial is not None:
            self._keep(self._try_out(trial, batch))
        message = await Delivery(self._pool, self._budget, batch).run()
        return self._responses.read(version, inputs, message)

    def stream(self, version: ModelVersion, inputs: Tensors, deadline: float | None) -> AsyncGenerator[Response, None]:
        """Yields the responses of a decoupled version to one request, as they come.

        Raises:
            NotFound: An operator has unloaded the model.
            GatewayError: The stream ends too soon.
        """
        if self._withdrawn(version):
            raise unloaded(version.model)
        return stream_from(self._pool, version, inputs, deadline)

    def describe_nodes(self) -> Sequence[Mapping[str, Any]]:
        """Says how every version is on every node now, ready for JSON."""
        versions = self._pool.versions()
        return [replica.describe() for version in versions for replica in self._pool.replicas(version)]

    async def close(self) -> None:
        """Ends every connection."""
        for task in self._trials:
            task.cancel()
        for fleet in self._fleets.values():
            await fleet.close()

    async def _start(self) -> None:
        """Finds the nodes, once; whoever comes meanwhile waits."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start_fleets())
        await asyncio.shield(self._starting)

    async def _start_fleets(self) -> None:
        for fleet in self._fleets.values():
            await fleet.start()

    def _withdrawn(self, version: ModelVersion) -> bool:
        return (version.model, version.number) in self._operations.withdrawn

    def _care_for(self, node: Node) -> Care:
        return Care(node, self._pool, self._withdrawn, self._take_config)

    def _take_config(self, version: ModelVersion, config: bytes) -> str:
        """Keeps a configuration; returns what is wrong with it, or nothing."""
        told = misfit(version, model_config_pb2.ModelConfig.FromString(config))
        if not told and version in self._pool.versions():
            self._configs[version], self._traits[version] = config, read_traits(config)
        return told and f"has loaded a model with {told}: publish again"

    def _cares(self) -> dict[Node, Care]:
        return {node: care for fleet in self._fleets.values() for node, care in fleet.cares.items()}

    def _nudge(self, node: Node) -> None:
        care = self._cares().get(node)
        if care is not None:
            care.nudge()

    async def _try_out(self, replica: Replica, batch: Batch) -> None:
        """Sends an ejected replica a copy of a batch, whose answer nobody awaits."""
        started = monotonic()
        try:
            await replica.node.infer(batch.encode(), batch.rows, self._pool.trial_seconds(replica.version))
        except NodeFault as fault:
            self._pool.failed(replica, fault, started)
        else:
            self._pool.tried(replica, monotonic() - started)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._trials.add(task)
        task.add_done_callback(self._trials.discard)
