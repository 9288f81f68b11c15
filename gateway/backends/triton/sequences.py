"""Sequences: their state is on one node, so all their calls go to that one, and each of them once."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from time import monotonic
from typing import Any

from tritonclient.grpc import service_pb2

from gateway.backends.triton.delivery import WATCH_SECONDS, Batch, error_of, no_node
from gateway.backends.triton.faults import Blame, NodeFault
from gateway.backends.triton.pool import Pool
from gateway.backends.triton.replica import Replica
from gateway.errors import Unavailable
from gateway.types import ModelVersion

# Sequences whose node is remembered: callers that do not end theirs must not fill the memory.
MOST_SEQUENCES = 65_536

# A model version and the id of a sequence.
Key = tuple[ModelVersion, str]


class Sequences:
    """The sequences under way, and the replica that has the state of each.

    A sequence begins on the node that its id falls to among those that are ready, so that several gateways agree; it
    stays there while other nodes come and go. One that this gateway has not seen begin is looked for in the same way.

    Args:
        pool: Knows the replicas.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._homes: OrderedDict[Key, tuple[Replica, int]] = OrderedDict()

    async def infer(self, batch: Batch, parameters: bytes) -> bytes:
        """Sends the one call of a batch to the node of its sequence; returns the serialised response.

        Args:
            batch: The call.
            parameters: Its own, which say what sequence it is of, as a serialised `ModelInferRequest`.

        Raises:
            Unavailable: The node, and with it the state of the sequence, is lost; or none is ready.
            InvalidRequest: The node refuses the call: it does not continue a sequence.
            ModelFailed: The model failed on these inputs.
        """
        asked = service_pb2.ModelInferRequest.FromString(parameters).parameters
        begins, ends = (name in asked and asked[name].bool_param for name in ("sequence_start", "sequence_end"))
        key = batch.version, sequence_of(asked)
        replica = self._home(key, begins=begins)
        started, loop = monotonic(), asyncio.get_running_loop()
        timeout_seconds = None if batch.deadline is None else max(batch.deadline - loop.time(), 0.0) + WATCH_SECONDS
        try:
            with batch.trace.attempt(replica.node.address):
                message = await replica.node.infer(batch.encode(), batch.rows, timeout_seconds, batch.context)
        except NodeFault as fault:
            self._pool.failed(replica, fault, started)
            if fault.blame not in (Blame.UNCLEAR, Blame.TIME):
                self._homes.pop(key, None)
            raise error_of(batch.version, fault, lost(batch.version)) from fault
        self._pool.answered(replica, monotonic() - started)
        if ends:
            self._homes.pop(key, None)
        return message

    def forget(self, version: ModelVersion) -> None:
        """Forgets the sequences of a version."""
        for key in [key for key in self._homes if key[0] is version]:
            del self._homes[key]

    def _home(self, key: Key, *, begins: bool) -> Replica:
        """Returns the replica that has the state of a sequence, or is to have it.

        Raises:
            Unavailable: It is lost, or none is ready.
        """
        known = self._homes.pop(key, None)
        if known is None or begins:
            replica = self._choose(key)
        else:
            replica, life = known
            if not replica.ready or replica.lives != life or replica not in self._pool.replicas(key[0]):
                raise lost(key[0])
        if key[1]:
            self._homes[key] = replica, replica.lives
            if len(self._homes) > MOST_SEQUENCES:
                self._homes.popitem(last=False)
        return replica

    def _choose(self, key: Key) -> Replica:
        """Returns the replica that a sequence falls to.

        Raises:
            Unavailable: None is ready.
        """
        version, sequence = key
        replicas = self._pool.replicas(version)
        ready = [replica for replica in replicas if replica.ready]
        if not ready:
            raise no_node(version, len(replicas))
        return rendezvous(ready, f"{version.model}/{version.number}/{sequence}")


def rendezvous(replicas: Sequence[Replica], name: str) -> Replica:
    """Returns the replica that a name falls to; when another comes or goes, few names change theirs.

    Source: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998.
    """
    return max(replicas, key=lambda each: hashlib.blake2b(f"{each.node.address} {name}".encode()).digest())


def sequence_of(parameters: Any) -> str:
    """Returns the id of the sequence that parameters name, as text; empty where they name none."""
    if "sequence_id" not in parameters:
        return ""
    named = parameters["sequence_id"]
    return named.string_param or (f"#{named.int64_param}" if named.int64_param else "")


def lost(version: ModelVersion) -> Unavailable:
    """The error of a sequence whose state is gone."""
    return Unavailable(
        "NODES_UNAVAILABLE",
        f"the node with the state of this sequence of model '{version.model}' version {version.number} is lost: "
        "begin the sequence anew, with sequence_start",
        model=version.model,
    )
