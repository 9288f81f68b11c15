"""How the parts fare, as the supervisor knows it: a file that others read."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from gapura_supervisor.files import holder, write_atomically


class Phase(StrEnum):
    """What a part is doing."""

    WAITING = "waiting"
    STARTING = "starting"
    UNREADY = "unready"
    READY = "ready"
    BACKING_OFF = "backing off"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class PartState:
    """How a part fares.

    Attributes:
        name: Of the part.
        address: Where it is reached.
        log: Its log.
        phase: What it is doing.
        pid: Its process, while there is one.
        serial: Number of its process; no other of this supervisor has it.
        restarts: How often it was started again.
        last_end: How it ended the last time.
        since: When the phase began, in seconds since 1970.
    """

    name: str
    address: str
    log: str
    phase: Phase = Phase.WAITING
    pid: int | None = None
    serial: int = 0
    restarts: int = 0
    last_end: str | None = None
    since: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class State:
    """How a deployment fares.

    Attributes:
        supervisor: Process of the supervisor.
        mark: Begins the marks of all that it started.
        sockets: Private folder of its parts' sockets.
        since: When it began, in seconds since 1970.
        parts: In the order in which they start.
    """

    supervisor: int
    mark: str
    sockets: str
    since: float
    parts: Sequence[PartState] = ()

    @property
    def ready(self) -> bool:
        """Whether every part is."""
        return bool(self.parts) and all(part.phase is Phase.READY for part in self.parts)


@dataclass(frozen=True, slots=True)
class Place:
    """The folder in which the supervisor of a deployment leaves its traces.

    Attributes:
        folder: Nobody but its user may enter it.
    """

    folder: Path

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.folder / "lock"

    @property
    def control(self) -> Path:
        """The socket at which it takes orders."""
        return self.folder / "control.sock"

    @property
    def supervisor(self) -> int | None:
        """The supervisor's process, while it lives."""
        return holder(self.lock)

    def make(self) -> None:
        """Makes the folder private."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    def write(self, state: State) -> None:
        """Records how the deployment fares."""
        write_atomically(self._file, json.dumps(asdict(state), indent=2).encode())

    def read(self) -> State | None:
        """Returns what was recorded last, maybe by a supervisor that is gone."""
        try:
            content = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return None
        parts = [PartState(**{**part, "phase": Phase(part["phase"])}) for part in content.pop("parts")]
        return State(**content, parts=parts)

    def read_live(self) -> State | None:
        """Returns how the deployment fares, if its supervisor lives."""
        state, supervisor = self.read(), self.supervisor
        return state if state is not None and state.supervisor == supervisor else None

    @property
    def _file(self) -> Path:
        return self.folder / "state.json"
