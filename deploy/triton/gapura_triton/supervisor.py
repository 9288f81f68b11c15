"""Keeps the tritonserver of one node running: `python -m gapura_triton.supervisor NODE_FOLDER`."""

import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gapura_supervisor.backoff import deaths_in_a_row, restart_delay
from gapura_supervisor.files import locked
from gapura_supervisor.leash import leashed
from gapura_supervisor.logs import rotate
from gapura_supervisor.processes import how_it_ended, memory_mib

from gapura_triton import processes
from gapura_triton.installation import Installation
from gapura_triton.liveness import is_live
from gapura_triton.node import Node, Phase, State, read_node, write_state
from gapura_triton.server import EXIT_SECONDS, command, environment

_AWAITED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_STARTING_TICK_SECONDS = 0.05
_LIVE_TICK_SECONDS = 2.0
_KILL_SECONDS = EXIT_SECONDS + 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long tritonserver may be silent before it is killed and started anew.

    Attributes:
        start_seconds: Until it is live for the first time; meanwhile it tries to load its models.
        live_seconds: From then on.
    """

    start_seconds: float = 600.0
    live_seconds: float = 30.0


class Supervisor:
    """Starts tritonserver again whenever it ends or hangs, until told to stop.

    The signals that it awaits have to be blocked.
    """

    def __init__(self, node: Node, patience: Patience) -> None:
        self._node = node
        self._patience = patience
        self._restarts = 0
        self._last_end: str | None = None
        self._stopping = False

    def run(self) -> None:
        """Returns when it was told to stop and nothing of the node runs any more."""
        deaths = 0
        while True:
            lived = self._serve()
            if self._stopping:
                break
            deaths = deaths_in_a_row(deaths, lived)
            self._pause(restart_delay(deaths))
            if self._stopping:
                break
            self._restarts += 1
        self._record(Phase.STOPPED)

    def _serve(self) -> float:
        """Runs tritonserver until it ends; returns for how many seconds it was live."""
        processes.sweep(self._node.mark)
        server = self._spawn()
        self._record(Phase.STARTING, server.pid)
        live_since: float | None = None
        reason: str | None = None
        heard = time.monotonic()
        while server.poll() is None:
            if is_live(self._node.address):
                heard = time.monotonic()
                if live_since is None:
                    live_since = heard
                    self._record(Phase.LIVE, server.pid)
            elif reason := self._silence(heard, live=live_since is not None):
                server.kill()
                server.wait()
                break
            self._await(_LIVE_TICK_SECONDS if live_since else _STARTING_TICK_SECONDS)
            reason = "told to stop" if self._stopping else self._excess() if live_since else None
            if reason:
                end(server)
            rotate(self._node.log)
        processes.sweep(self._node.mark)
        self._last_end = ", ".join(filter(None, (reason, how_it_ended(server.returncode))))
        self._say(f"tritonserver {server.pid} ended: {self._last_end}")
        return time.monotonic() - live_since if live_since else 0.0

    def _spawn(self) -> subprocess.Popen[bytes]:
        installation = Installation(self._node.home)
        return subprocess.Popen(  # noqa: S603 - our own command
            leashed(command(self._node, installation)),
            stdin=subprocess.DEVNULL,
            cwd=self._node.folder,  # which Python looks into first
            env=environment(installation),
        )

    def _silence(self, heard: float, *, live: bool) -> str | None:
        """Says for how long the node has been silent, if that is too long."""
        seconds = time.monotonic() - heard
        if seconds <= (self._patience.live_seconds if live else self._patience.start_seconds):
            return None
        return f"did not answer for {seconds:.0f} s" if live else f"was not live after {seconds:.0f} s"

    def _excess(self) -> str | None:
        """Says by how much the node is over its memory budget, if it is."""
        budget = self._node.memory_budget_mib
        held = memory_mib(processes.marked(self._node.mark)) if budget else 0
        return f"held {held} MiB, more than its {budget}" if held > budget else None

    def _pause(self, seconds: float) -> None:
        self._record(Phase.BACKING_OFF)
        until = time.monotonic() + seconds
        while not self._stopping and (left := until - time.monotonic()) > 0:
            self._await(left)

    def _await(self, seconds: float) -> None:
        """Waits until tritonserver ends, or the supervisor is told to stop, or for a time."""
        arrived = signal.sigtimedwait(_AWAITED, seconds)
        if arrived is not None and arrived.si_signo != signal.SIGCHLD:
            self._stopping = True

    def _record(self, phase: Phase, pid: int | None = None) -> None:
        with suppress(OSError):  # a full disk must not end a server that serves
            write_state(self._node, State(phase, pid, self._restarts, self._last_end))
        self._say(phase)

    def _say(self, text: str) -> None:
        with suppress(OSError):  # as above
            sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} supervisor: {text}\n")
            sys.stderr.flush()


def end(server: subprocess.Popen[bytes]) -> None:
    """Lets tritonserver finish its calls; kills it when it takes too long."""
    server.terminate()
    try:
        server.wait(_KILL_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main(folder: Path, patience: Patience = Patience()) -> None:
    """Supervises a node; returns at once when another supervisor does."""
    node = read_node(folder)
    if node is None:
        sys.exit(f"{folder} is not a node's folder")
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    try:
        with locked(node.lock, wait=False):
            Supervisor(node, patience).run()
    except BlockingIOError:
        sys.exit("another supervisor keeps this node")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
