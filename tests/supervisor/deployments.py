"""Deployments of small servers, in processes of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapura_supervisor.addresses import free_port
from gapura_supervisor.deployment import mark_of
from gapura_supervisor.processes import kill_all, marked
from gapura_supervisor.state import PartState, Phase, Place

from tests.triton.nodes import wait_until

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A supervisor and what it keeps.

    Attributes:
        folder: Of its traces, logs and journal.
        process: The supervisor.
    """

    folder: Path
    process: "subprocess.Popen[str]"

    @property
    def place(self) -> Place:
        """Where it leaves its traces."""
        return Place(self.folder / "run")

    @property
    def parts(self) -> dict[str, PartState]:
        """How the parts fare; of two with one name, the newer."""
        state = self.place.read()
        mine = state is not None and state.supervisor == self.process.pid
        return {part.name: part for part in state.parts} if state and mine else {}

    @property
    def wardens(self) -> list[int]:
        """The processes that would end what a killed supervisor leaves."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"gapura_supervisor.warden" in command_line(pid)]

    @property
    def bred(self) -> int:
        """The grandchild that a server of the behaviour `breeds` has started."""
        return int(next(line for line in self.journal if "bred" in line).split()[-1])

    @property
    def journal(self) -> list[str]:
        """What the servers have noted."""
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def left(self) -> list[int]:
        """Every process of the deployment but the supervisor, and what those have started."""
        return list(marked(mark_of(self.place)))

    def wait_until_ready(self) -> None:
        """Waits until every part is."""
        wait_until(lambda: bool(self.parts) and all(part.phase is Phase.READY for part in self.parts.values()), 40)

    def pid(self, name: str) -> int:
        """Returns a part's process."""
        pid = self.parts[name].pid
        assert pid is not None
        return pid

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Tells the supervisor to stop; returns its status and what it said."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=30)
        return self.process.returncode, said


def server(name: str, **wanted: Any) -> dict[str, Any]:
    """Returns the specification of a small server on a free port; `make_part` reads the rest."""
    return {"name": name, "port": free_port(), **wanted}


@contextmanager
def deployed(folder: Path, *specification: dict[str, Any]) -> Iterator[Deployment]:
    """Runs a deployment. Afterwards nothing of it is left, whatever the test did."""
    command = [sys.executable, "-m", "tests.supervisor.run", str(folder), json.dumps(specification)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deployment = Deployment(folder, process)
    with ended(process, deployment.place):
        yield deployment


@contextmanager
def ended(process: subprocess.Popen[str], place: Place) -> Iterator[None]:
    """Ends a supervisor afterwards, and whatever of its deployment it has left."""
    try:
        yield
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        kill_all(lambda: marked(mark_of(place)))


def command_line(pid: str) -> bytes:
    """Returns the command line of a process; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_alive(pid: int) -> bool:
    """Says whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
