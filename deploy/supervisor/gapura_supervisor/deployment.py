"""One deployment at a time in a place: takes it, sweeps up what an earlier one has left, and runs it."""

import asyncio
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from gapura_supervisor.crew import Say
from gapura_supervisor.edge import Edge
from gapura_supervisor.errors import SupervisionError
from gapura_supervisor.files import locked
from gapura_supervisor.part import Part
from gapura_supervisor.processes import kill_all, marked
from gapura_supervisor.state import Place, State
from gapura_supervisor.supervisor import Supervisor

_PREFIX = "gapura-"

# A unix socket's path has 107 bytes at most; the longest of ours takes 41 behind this.
_MOST_FOLDER_BYTES = 64
_SHORT_FOLDER = "/tmp"  # noqa: S108 - where folders of random names are made

Compose = Callable[[Path], tuple[Sequence[Part], Edge]]


def supervise(place: Place, compose: Compose, say: Say, when_ready: Callable[[State], None]) -> int:
    """Runs a deployment until it is told to stop; returns the exit status.

    Args:
        place: Where its lock, its state and its control socket are.
        compose: Returns what to run, given a private folder for its sockets.
        say: Takes lines for the operator.
        when_ready: Is told once every part is ready.

    Raises:
        SupervisionError: It runs already, or `compose` says that it cannot run.
    """
    place.make()
    try:
        with locked(place.lock, wait=False):
            mark = mark_of(place)
            clear(place, mark)
            with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder_of_sockets()) as sockets:
                state = State(os.getpid(), f"{mark}{time.time_ns():x}.", sockets, time.time())
                parts, edge = compose(Path(sockets))
                return asyncio.run(Supervisor(parts, edge, state, place, say, when_ready).run())
    except BlockingIOError as error:
        raise SupervisionError(f"process {place.supervisor} runs it already: see `gapura ps`") from error


def folder_of_sockets() -> str:
    """Returns where private folders of sockets are made: where TMPDIR says, unless paths would be too long there."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= _MOST_FOLDER_BYTES else _SHORT_FOLDER


def mark_of(place: Place) -> str:
    """Begins the marks of all that was ever started in a place."""
    return f"{hashlib.sha256(str(place.folder.resolve()).encode()).hexdigest()[:16]}."


def clear(place: Place, mark: str) -> None:
    """Ends the processes and removes the sockets that an earlier supervisor has left, which was killed."""
    kill_all(partial(marked, mark))
    earlier = place.read()
    if earlier is not None:
        sockets = Path(earlier.sockets)
        with suppress(OSError):
            if sockets.name.startswith(_PREFIX) and sockets.stat().st_uid == os.getuid():
                shutil.rmtree(sockets, ignore_errors=True)
