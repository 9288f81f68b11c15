"""Starts a real server for a test, waits until it answers, and ends it with all that it started."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gapura_supervisor.addresses import LOOPBACK

_START_SECONDS = 120.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Command:
    """A server to start.

    Attributes:
        words: The command.
        log: File for what it says.
        environment: Variables besides those of this process.
        user: Whom it runs as; None for the user of this process.
        stop: Signal that ends it; what is left after some seconds is killed.
    """

    words: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop: signal.Signals = signal.SIGTERM


@contextmanager
def running(command: Command, answers: Callable[[], bool]) -> Iterator[None]:
    with command.log.open("wb") as log:
        process = subprocess.Popen(
            command.words,
            env=os.environ | dict(command.environment),
            stdout=log,
            stderr=subprocess.STDOUT,
            user=command.user,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not answers():
            assert process.poll() is None, command.log.read_text()
            assert time.monotonic() < deadline, command.log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(command.stop)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):  # its children may live on where it ended itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_ports(count: int) -> list[int]:
    """Returns ports of loopback that nobody listens on, each another."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in taken]
