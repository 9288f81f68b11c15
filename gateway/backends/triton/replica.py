"""What is known of one model version on one node: whether it is ready, how fast it is, whether it is ejected."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from statistics import median
from time import monotonic
from typing import Any

from gateway.backends.triton.node import Node
from gateway.types import ModelVersion

SLOW_START_SECONDS = 10.0
SLOW_START_SHARE = 0.1
EJECTION_SECONDS = 1.0
MOST_EJECTION_SECONDS = 30.0
FORGIVEN_SECONDS = 60.0
RECENT_BATCHES = 9


class Health(Enum):
    """How a model version is on a node."""

    UNKNOWN = auto()
    """Nobody has asked the node yet."""

    MISSING = auto()
    """The node cannot be reached, or has not loaded it."""

    SICK = auto()
    """The node says that it is ready, but it cannot answer until it has been unloaded and loaded again."""

    READY = auto()
    """It answers."""


@dataclass(slots=True, eq=False)
class Replica:
    """A model version on a node.

    Attributes:
        node: The node.
        version: The version.
        health: Whether it answers.
        problem: Why it does not, in words.
        lives: How often it came back: whatever state it had is gone.
        ready_since: When it began to answer, in seconds of `monotonic`; 0 when it always has.
        answered_at: When it last answered a batch, in seconds of `monotonic`.
        recent_seconds: How long its latest batches took.
        strikes: How many batches in a row it has failed or kept waiting.
        ejected_until: When an ejected replica is tried again; None while it is not ejected.
        ejections: How often it was ejected of late.
    """

    node: Node
    version: ModelVersion
    health: Health = Health.UNKNOWN
    problem: str = "nobody has asked it yet"
    lives: int = 0
    ready_since: float = 0.0
    answered_at: float = 0.0
    recent_seconds: deque[float] = field(default_factory=partial(deque, maxlen=RECENT_BATCHES))
    strikes: int = 0
    ejected_until: float | None = None
    ejections: int = 0

    @property
    def ready(self) -> bool:
        """Says whether it answers, ejected or not."""
        return self.health is Health.READY

    @property
    def healthy(self) -> bool:
        """Says whether it takes its share of the load."""
        return self.ready and self.ejected_until is None

    def latency_seconds(self) -> float | None:
        """Returns the median over its latest batches; None while they are too few."""
        return median(self.recent_seconds) if len(self.recent_seconds) > RECENT_BATCHES // 2 else None

    def share(self) -> float:
        """Returns the part of its load that it takes now, from 0 to 1: a replica that comes back starts slowly."""
        age = (monotonic() - self.ready_since) / SLOW_START_SECONDS
        return min(1.0, max(SLOW_START_SHARE, age))

    def describe(self) -> Mapping[str, Any]:
        """Says how it is now, ready for JSON."""
        return {
            "address": self.node.address,
            "model": self.version.model,
            "version": self.version.number,
            "ready": self.ready,
            "health": self.health.name.lower(),
            "ejected": self.ejected_until is not None,
            "outstanding_rows": self.node.outstanding_rows,
            "latency_seconds": self.latency_seconds(),
            "problem": "" if self.ready else self.problem,
        }

    def come_back(self) -> None:
        """Notes that the replica answers, from now on."""
        first = self.health is Health.UNKNOWN
        self.health, self.problem = Health.READY, ""
        self.lives += 1
        self.ready_since = 0.0 if first else monotonic()
        self.ejected_until, self.strikes = None, 0
        self.recent_seconds.clear()

    def lose(self, health: Health, problem: str) -> None:
        """Notes that the replica does not answer, and why."""
        self.health, self.problem = health, problem

    def eject(self) -> float:
        """Takes it out, each time for longer; returns for how many seconds."""
        now = monotonic()
        if now - (self.ejected_until or self.ready_since) > FORGIVEN_SECONDS:
            self.ejections = 0
        seconds = min(EJECTION_SECONDS * (1 << self.ejections), MOST_EJECTION_SECONDS)
        self.ejections = min(self.ejections + 1, 10)
        self.ejected_until = now + seconds
        return seconds

    def readmit(self) -> None:
        """Ends the ejection; the load returns slowly."""
        self.ejected_until, self.ready_since, self.strikes = None, monotonic(), 0
        self.recent_seconds.clear()
