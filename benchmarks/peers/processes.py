"""A peer's processes: started in a group of their own, and all gone afterwards, whatever they started themselves."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from gapura_supervisor.processes import MARK, kill_all, marked

from benchmarks.peers.peer import Peer, Place

LOG = "log"
START_SECONDS, STOP_SECONDS, LOOK_SECONDS = 120.0, 10.0, 0.01
LAST_WORDS = 2_000


class NoStartError(Exception):
    """A peer does not listen; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Running:
    """A peer that runs.

    Attributes:
        process: That it was started as.
        place: Where.
        started: When, as `time.perf_counter` says.
    """

    process: subprocess.Popen[bytes]
    place: Place
    started: float

    def last_words(self) -> str:
        """Returns the end of its log."""
        return (self.place.scratch / LOG).read_text(errors="replace")[-LAST_WORDS:]

    def require_life(self) -> None:
        """Makes sure that it has not ended, and has not had more than its time to start.

        Raises:
            NoStartError: It has.
        """
        if self.process.poll() is not None:
            raise NoStartError(f"it ended with status {self.process.returncode}:\n{self.last_words()}")
        if time.perf_counter() - self.started > START_SECONDS:
            raise NoStartError(f"it does not answer after {START_SECONDS:g} s:\n{self.last_words()}")


@contextmanager
def running(peer: Peer, place: Place) -> Iterator[Running]:
    """Runs a peer; yields it when something listens on its port.

    Raises:
        NoStartError: Nothing does.
    """
    command = [str(part) for part in peer.command(place)]
    mark = f"peer-{place.port}"
    environment = {
        **os.environ,
        **peer.environment,
        "PATH": f"{place.bin}{os.pathsep}{os.environ['PATH']}",
        MARK: mark,
        "SPT_NOENV": "1",  # a process that renames itself keeps the mark in its environment
    }
    with (place.scratch / LOG).open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, env=environment, cwd=place.scratch, stdout=log, stderr=log, start_new_session=True
        )
    alive = Running(process, place, started)
    try:
        wait_for_port(alive)
        yield alive
    finally:
        end(process, mark)


def wait_for_port(alive: Running) -> None:
    """Waits until something listens.

    Raises:
        NoStartError: That does not come.
    """
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", alive.place.port), LOOK_SECONDS):
            return
        alive.require_life()
        time.sleep(LOOK_SECONDS)


def end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Asks a peer's group to end and waits for it; then kills whatever it has left behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    kill_all(lambda: marked(mark))
    process.wait()
