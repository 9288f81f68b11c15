"""A part of a deployment: one process to keep running, and how to tell how it fares."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Health(StrEnum):
    """What a probe finds."""

    SILENT = "silent"
    UNREADY = "unready"
    READY = "ready"


class Probe(Protocol):
    """Asks a part how it is."""

    async def look(self) -> Health:
        """Answers within a few seconds, and raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a part may be silent before it is killed and started anew.

    Attributes:
        start_seconds: Until it answers for the first time.
        live_seconds: From then on.
    """

    start_seconds: float = 60.0
    live_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Part:
    """What is kept running.

    Attributes:
        name: Its name, unique within a deployment.
        command: Command line; its first word is an absolute path.
        log: Where its output goes, appended.
        probe: Tells whether it is ready.
        address: Where it is reached, for people and for the edge.
        environment: Variables beside those that the supervisor has.
        stage: It starts when the parts of lower stages are ready, and ends before any of them does.
        awaited: Whether higher stages wait for it.
        needs: A file without which it is not started.
        patience: How long it may be silent.
        grace_seconds: How long it may take to end, `drain` included, before it is killed.
        drain: What to do before it is told to end; an OSError is passed over.
        renew: Returns the part that takes its place, given a number that no other has had; None if a reload leaves
            it alone.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    probe: Probe
    address: str
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 0
    awaited: bool = True
    needs: Path | None = None
    patience: Patience = Patience()
    grace_seconds: float = 20.0
    drain: Callable[[], Awaitable[None]] | None = None
    renew: Callable[[int], "Part"] | None = None
