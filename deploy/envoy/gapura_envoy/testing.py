"""What tests and benchmarks start and stop: an Envoy that is ready, on a free port, in a folder of its own."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapura_envoy.admin import drain, is_ready
from gapura_envoy.binary import command
from gapura_envoy.errors import EdgeError
from gapura_envoy.files import compose, write
from gapura_envoy.settings import EdgeSettings

READY_SECONDS, LOOK_SECONDS, STOP_SECONDS = 20.0, 0.02, 10.0


@dataclass(frozen=True, slots=True)
class RunningEdge:
    """An Envoy that runs.

    Attributes:
        settings: What it was started with.
        process: It.
    """

    settings: EdgeSettings
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        """Where it listens."""
        return self.settings.listen


@contextmanager
def running_edge(
    workers: Sequence[str], contracts: Iterable[bytes] = (), *, drain_seconds: float | None = None, **settings: Any
) -> Iterator[RunningEdge]:
    """Runs Envoy before workers.

    Args:
        workers: Addresses.
        contracts: Serialised descriptor sets.
        drain_seconds: How long its calls get at the end; it is ended at once if not given.
        settings: Of the edge, by name.

    Raises:
        EdgeError: It does not start; the message has its log.
    """
    with tempfile.TemporaryDirectory(prefix="edge-") as folder:
        chosen = EdgeSettings(
            **{"home": Path(folder, "e"), "listen": f"127.0.0.1:{free_port()}", "access_log": None, **settings}
        )
        bootstrap = write(compose(chosen, workers, contracts))
        log = Path(folder, "envoy.log")
        with log.open("wb") as file:
            process = subprocess.Popen(command(chosen, bootstrap), stdout=file, stderr=file)  # noqa: S603 - our own command
        try:
            await_ready(chosen, process, log)
            yield RunningEdge(chosen, process)
            if drain_seconds is not None:
                drain(chosen.admin, drain_seconds)
        finally:
            end(process)


def await_ready(settings: EdgeSettings, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until callers can be served.

    Raises:
        EdgeError: That does not come.
    """
    until = time.monotonic() + READY_SECONDS
    while not is_ready(settings.admin) or not is_listening(settings.listen):
        if process.poll() is not None or time.monotonic() > until:
            raise EdgeError(f"envoy does not get ready: {log.read_text()[-2000:]}")
        time.sleep(LOOK_SECONDS)


def is_listening(address: str) -> bool:
    """Says whether somebody takes connections."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def end(process: subprocess.Popen[Any]) -> None:
    """Ends a process."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
