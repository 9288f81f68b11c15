"""Chooses who answers the next batch, and takes out who answers badly."""

import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from statistics import median
from time import monotonic

import structlog

from gateway.backends.triton.faults import Blame, NodeFault
from gateway.backends.triton.node import Node
from gateway.backends.triton.replica import Health, Replica
from gateway.types import ModelVersion

# A batch that takes longer than this, and than three times what the slowest took of late, makes its node suspect.
LEAST_PATIENCE_SECONDS = 0.25
PATIENCE_FACTOR = 3.0
PEAK_DECAY = 0.99
KNOWN_SAMPLES = 20

# A node that takes three times as long as the others, and 50 ms more, is an outlier.
OUTLIER_FACTOR = 3.0
OUTLIER_SECONDS = 0.05

# Batches in a row that a node may fail, where another does not, or keep waiting.
MOST_STRIKES = 3

# A trial may take this long at least.
TRIAL_SECONDS = 2.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Pace:
    """How long the batches of a model version take: a peak that decays with every batch."""

    peak_seconds: float = 0.0
    samples: int = 0

    def observe(self, seconds: float) -> None:
        """Counts a batch."""
        self.peak_seconds = max(seconds, self.peak_seconds * PEAK_DECAY)
        self.samples += 1

    def patience_seconds(self) -> float | None:
        """Returns how long a batch may take before its node is suspect; None while too little is known."""
        if self.samples < KNOWN_SAMPLES:
            return None
        return max(LEAST_PATIENCE_SECONDS, PATIENCE_FACTOR * self.peak_seconds)


class Pool:
    """The replicas of every model version.

    Args:
        look_at: Is told of every node that ought to be asked how it is.
    """

    def __init__(self, look_at: Callable[[Node], None]) -> None:
        self.look_at = look_at
        self._replicas: dict[ModelVersion, list[Replica]] = {}
        self._paces: dict[ModelVersion, Pace] = {}

    def versions(self) -> Collection[ModelVersion]:
        """Returns the versions that are served."""
        return self._replicas.keys()

    def replicas(self, version: ModelVersion) -> list[Replica]:
        """Returns the version's replicas."""
        return self._replicas.get(version, [])

    def ready(self, version: ModelVersion) -> bool:
        """Says whether any node can answer for a version."""
        return any(replica.ready for replica in self.replicas(version))

    def count_ready(self, version: ModelVersion) -> int:
        """Returns on how many nodes a version answers."""
        return sum(replica.ready for replica in self.replicas(version))

    def replicas_on(self, node: Node) -> list[Replica]:
        """Returns the replicas on a node."""
        return [replica for replicas in self._replicas.values() for replica in replicas if replica.node is node]

    def versions_of(self, model: str) -> list[ModelVersion]:
        """Returns the versions of a model that are served."""
        return [version for version in self._replicas if version.model == model]

    def spread(self, version: ModelVersion, nodes: Iterable[Node]) -> None:
        """Sets the nodes that serve a version; what is known of those that stay is kept."""
        known = {replica.node: replica for replica in self.replicas(version)}
        self._replicas[version] = [known.get(node) or Replica(node, version) for node in nodes]
        self._paces.setdefault(version, Pace())

    def remove(self, version: ModelVersion) -> None:
        """Forgets a version."""
        self._replicas.pop(version, None)
        self._paces.pop(version, None)

    def patience_seconds(self, version: ModelVersion) -> float | None:
        """Returns how long a batch may take before its node is suspect; None while too little is known."""
        pace = self._paces.get(version)
        return pace.patience_seconds() if pace else None

    def trial_seconds(self, version: ModelVersion) -> float:
        """Returns how long an ejected replica may take over its trial."""
        return max(TRIAL_SECONDS, 2 * (self.patience_seconds(version) or 0.0))

    def choose(self, version: ModelVersion, without: Collection[Node] = ()) -> Replica | None:
        """Returns the less loaded of two random replicas; an ejected one only if there is no other.

        Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.
        """
        ready = [replica for replica in self.replicas(version) if replica.ready and replica.node not in without]
        candidates = [replica for replica in ready if replica.healthy] or ready
        if len(candidates) <= 1:
            return candidates[0] if candidates else None
        warm = [replica for replica in candidates if random.random() < replica.share()] or candidates  # noqa: S311 - no secret
        two = random.sample(warm, min(2, len(warm)))
        return min(two, key=lambda replica: replica.node.outstanding_rows)

    def due_trial(self, version: ModelVersion) -> Replica | None:
        """Returns an ejected replica whose time is over; the caller tries it, with a copy of a batch."""
        now = monotonic()
        for replica in self.replicas(version):
            if replica.ready and replica.ejected_until is not None and replica.ejected_until <= now:
                replica.eject()
                return replica
        return None

    def answered(self, replica: Replica, seconds: float) -> None:
        """Counts a batch that a replica answered, and ejects the replica if it is much slower than the others."""
        replica.recent_seconds.append(seconds)
        replica.answered_at = monotonic()
        patience = self.patience_seconds(replica.version)
        if patience is None or seconds < patience:
            replica.strikes = 0
        if replica.ejected_until is not None:
            return
        limit = self._tolerated_seconds(replica)
        latency = None if limit is None else replica.latency_seconds()
        if latency is not None and limit is not None and latency > limit:
            self._eject(replica, f"takes {latency:.3f} s, where the others make {limit:.3f} s too much")
        elif replica.version in self._paces:
            self._paces[replica.version].observe(seconds)

    def stalled(self, replica: Replica, since: float) -> bool:
        """Says whether a replica is ejected, or has to be: it has answered no batch since then, and another has.

        Whether its node answers anything else says nothing: a node whose model hangs is ready all the time.

        Args:
            replica: It has had a batch for longer than is usual.
            since: When it got the batch, in seconds of `monotonic`.
        """
        if replica.ejected_until is not None:
            return True
        silence = monotonic() - since
        others_answer = any(other.answered_at > since for other in self._others(replica))
        if replica.answered_at < since and silence >= LEAST_PATIENCE_SECONDS and others_answer:
            self._eject(replica, f"has answered nothing for {silence:.3f} s")
            return True
        return False

    def strike(self, replica: Replica, reason: str) -> None:
        """Counts a batch that a replica failed or kept waiting; ejects it after several in a row."""
        replica.strikes += 1
        if replica.strikes >= MOST_STRIKES and replica.ejected_until is None:
            self._eject(replica, f"{reason}, {replica.strikes} times in a row")

    def tried(self, replica: Replica, seconds: float) -> None:
        """Takes an ejected replica back if it answered its trial in time."""
        limit = self._tolerated_seconds(replica)
        if replica.ejected_until is not None and (limit is None or seconds <= limit):
            replica.readmit()
            log.info("node readmitted", **told(replica))

    def failed(self, replica: Replica, fault: NodeFault, started: float) -> None:
        """Takes out a replica, or all of its node, that did not answer by a fault of its own.

        Args:
            replica: Who did not answer.
            fault: What came instead.
            started: When the batch was sent, in seconds of `monotonic`: a replica that has come back since is another.
        """
        if started < replica.ready_since:
            return
        match fault.blame:
            case Blame.NODE:
                self.lose_node(replica.node, fault.details)
            case Blame.MODEL_MISSING:
                self.lose(replica, Health.MISSING, fault.details)
            case Blame.MODEL_SICK:
                self.lose(replica, Health.SICK, fault.details)
            case Blame.TIME | Blame.UNCLEAR | Blame.REQUEST:
                pass

    def lose_node(self, node: Node, problem: str) -> None:
        """Takes out everything on a node."""
        for replica in self.replicas_on(node):
            if replica.health is not Health.SICK:
                self.lose(replica, Health.MISSING, problem)

    def lose(self, replica: Replica, health: Health, problem: str) -> None:
        """Takes out a replica."""
        if replica.ready:
            log.warning("replica lost", reason=problem, **told(replica))
            self.look_at(replica.node)
        replica.lose(health, problem)

    def find(self, replica: Replica) -> None:
        """Takes in a replica that answers."""
        if not replica.ready:
            replica.come_back()
            log.info("replica ready", **told(replica))

    def _others(self, replica: Replica) -> list[Replica]:
        return [other for other in self.replicas(replica.version) if other is not replica and other.healthy]

    def _tolerated_seconds(self, replica: Replica) -> float | None:
        """Returns how slow a replica may be, by the measure of the others; None while too little is known of them."""
        known = [latency for other in self._others(replica) if (latency := other.latency_seconds()) is not None]
        return max(OUTLIER_FACTOR * median(known), median(known) + OUTLIER_SECONDS) if known else None

    def _eject(self, replica: Replica, reason: str) -> None:
        """Takes a replica out for a while, unless it is the last."""
        if self._others(replica):
            seconds = replica.eject()
            log.warning("node ejected", reason=reason, seconds=seconds, **told(replica))


def told(replica: Replica) -> dict[str, object]:
    """Names a replica in the log."""
    return {"node": replica.node.address, "model": replica.version.model, "version": replica.version.number}
