"""The backend over a pool of Triton nodes, as the gateway sees it."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any

import structlog
from tritonclient.grpc import model_config_pb2

from gateway.backends.repository import described, expected
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
from gateway.backends.triton.wire import decode_response, encode_request
from gateway.errors import CatalogError, NotFound
from gateway.types import ModelVersion, Placement, Tensors

LOAD_LOOK_SECONDS = 0.02
LOAD_SECONDS = 120.0
TRIAL_SECONDS = 2.0

log = structlog.get_logger(__name__)


class TritonBackend:
    """Model versions on Triton nodes.

    Args:
        nodes: Finds the nodes of each kind.
    """

    def __init__(self, nodes: Mapping[Placement, Discovery]) -> None:
        self._pool = Pool(self._nudge)
        self._budget = RetryBudget()
        self._operations = Operations(self._cares)
        self._configs: dict[ModelVersion, bytes] = {}
        self._trials: set[asyncio.Task[None]] = set()
        self._fleets = {
            placement: Fleet(placement, discovery, self._pool, self._care_for) for placement, discovery in nodes.items()
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
        if not self._pool.replicas(version):
            self._operations.withdrawn.discard(version.model)  # a new version ends what an operator did to the old one
        served = any(known.model == version.model and known is not version for known in self._pool.versions())
        fleet.spread(version)
        async with asyncio.timeout(LOAD_SECONDS):
            while not self.ready(version) and not all(care.settled for care in fleet.cares.values()):
                await asyncio.sleep(LOAD_LOOK_SECONDS)
        if not self.ready(version):
            told = (f"{replica.node.address} {replica.problem}" for replica in self._pool.replicas(version))
            problem = (
                f"no node is ready for '{version.model}' version {version.number}: {'; '.join(told) or 'none is set'}"
            )
            if served or any(care.reachable for care in fleet.cares.values()):
                raise CatalogError(problem, model=version.model)
            log.warning("no node yet", reason=problem)

    async def unload(self, version: ModelVersion) -> None:
        """Forgets the version; the publisher unloads it from the nodes."""
        self._pool.remove(version)
        self._configs.pop(version, None)

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
        return version.model not in self._operations.withdrawn and any(
            replica.ready for replica in self._pool.replicas(version)
        )

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

    async def infer(self, version: ModelVersion, inputs: Tensors, deadline: float | None) -> Tensors:
        """Sends a batch to a node, and to others if that one fails.

        Raises:
            NotFound: An operator has unloaded the model.
            Unavailable: No node could be reached, or none of those that were tried answered.
            DeadlineExceeded: The model takes too long.
            ModelFailed: The model failed on these inputs.
        """
        if version.model in self._operations.withdrawn:
            raise unloaded(version.model)
        batch = Batch(version, partial(encode_request, version, inputs), inputs.rows, deadline)
        trial = self._pool.due_trial(version)
        if trial is not None:
            self._keep(self._try_out(trial, batch))
        message = await Delivery(self._pool, self._budget, batch).run()
        return decode_response(version, inputs.rows, message)

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

    def _care_for(self, node: Node) -> Care:
        return Care(node, self._pool, self._operations.withdrawn, self._take_config)

    def _take_config(self, version: ModelVersion, config: bytes) -> str:
        """Keeps a configuration; returns what is wrong with it, or nothing."""
        problem = misfit(version, config)
        if not problem:
            self._configs[version] = config
        return problem

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
            await replica.node.infer(batch.encode(), batch.rows, TRIAL_SECONDS)
        except NodeFault as fault:
            self._pool.failed(replica, fault)
        else:
            self._pool.tried(replica, monotonic() - started)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._trials.add(task)
        task.add_done_callback(self._trials.discard)


def misfit(version: ModelVersion, config: bytes) -> str:
    """Returns how a node's configuration differs from the catalog's, or nothing."""
    message = model_config_pb2.ModelConfig.FromString(config)
    if described(message.input) != expected(version.signature.inputs):
        return "has loaded a model with other inputs than the catalog says: publish again"
    if message.max_batch_size != version.max_batch_size:
        return "has loaded a model with another max_batch_size than the catalog says: publish again"
    return ""


def unloaded(model: str) -> NotFound:
    """The error of a call to a model that an operator has unloaded, in Triton's words."""
    return NotFound("MODEL_UNKNOWN", f"Request for unknown model: '{model}' has no available versions", model=model)
