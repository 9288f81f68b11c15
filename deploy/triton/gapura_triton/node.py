"""One node on disk: what was asked for in `node.json`, and how it fares in `state.json`."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from gapura_supervisor.files import holder, write_atomically


@dataclass(frozen=True, slots=True)
class Node:
    """A tritonserver that is kept running on this machine.

    Attributes:
        folder: Where its records and log are; the last part is its name.
        home: Folder of the installation that it runs.
        repository: Model repository.
        grpc_port: Port on loopback.
        metrics_port: Port on loopback of its Prometheus metrics.
        memory_budget_mib: It is started anew when it holds more; 0 for never.
    """

    folder: Path
    home: Path
    repository: Path
    grpc_port: int
    metrics_port: int
    memory_budget_mib: int = 0

    @property
    def name(self) -> str:
        """Its name, unique within a home."""
        return self.folder.name

    @property
    def address(self) -> str:
        """Where it speaks gRPC."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def log(self) -> Path:
        """What tritonserver and its supervisor say."""
        return self.folder / "node.log"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.folder / "lock"

    @property
    def supervisor(self) -> int | None:
        """The supervisor's process, while it lives."""
        return holder(self.lock)

    @property
    def mark(self) -> str:
        """Starts the names of the node's shared memory, and so stands in the command line of its processes alone."""
        return f"gapura_{hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]}_"


class Phase(StrEnum):
    """What a node is doing."""

    STARTING = "starting"
    LIVE = "live"
    BACKING_OFF = "backing off"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class State:
    """How a node fares, as its supervisor knows it.

    Attributes:
        phase: What it is doing.
        pid: Of tritonserver, while there is one.
        restarts: How often tritonserver was started again.
        last_end: How tritonserver ended the last time.
        since: When the phase began, in seconds since 1970.
    """

    phase: Phase
    pid: int | None = None
    restarts: int = 0
    last_end: str | None = None
    since: float = field(default_factory=time.time)


def write_node(node: Node) -> None:
    """Records what is asked for."""
    content = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(node).items()}
    del content["folder"]  # so that a folder may move
    write_atomically(node.folder / "node.json", json.dumps(content, indent=2).encode())


def read_node(folder: Path) -> Node | None:
    """Returns what was asked for, if anything ever was."""
    try:
        content = json.loads((folder / "node.json").read_bytes())
    except FileNotFoundError:
        return None
    home, repository = Path(content.pop("home")), Path(content.pop("repository"))
    return Node(folder=folder, home=home, repository=repository, **content)


def write_state(node: Node, state: State) -> None:
    """Records how a node fares."""
    write_atomically(node.folder / "state.json", json.dumps(asdict(state), indent=2).encode())


def read_state(node: Node) -> State:
    """Returns how a node fares; one whose supervisor is gone is stopped, whatever it wrote last."""
    try:
        content = json.loads((node.folder / "state.json").read_bytes())
    except FileNotFoundError:
        return State(Phase.STOPPED)
    state = State(**{**content, "phase": Phase(content["phase"])})
    if node.supervisor is None:
        return State(Phase.STOPPED, restarts=state.restarts, last_end=state.last_end, since=state.since)
    return state
