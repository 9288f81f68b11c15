"""nghttp2's `h2load` as the load: its command line, its report, and its log of single requests.

gRPC's errors travel as HTTP 200, so `h2load` takes them for successes. An answer has the same size each time and an
error has no body: the bytes of bodies tell how many of the requests were answered.
"""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PACKAGE = "nghttp2-client"
_REQUESTS = re.compile(r"^requests: .*, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", re.MULTILINE)
_BODIES = re.compile(r"^traffic: .*, \S+ \((\d+)\) data$", re.MULTILINE)
GRPC_HEADERS = (("te", "trailers"), ("content-type", "application/grpc"))
MOST_SECONDS = 60.0
_MICROSECONDS = 1_000_000


class NoLoadError(Exception):
    """The load cannot be made; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many calls are under way at once.

    Attributes:
        connections: Between which they are spread.
        streams: Calls on each connection.
    """

    connections: int
    streams: int

    def __str__(self) -> str:
        return f"{self.connections}x{self.streams}"


@dataclass(frozen=True, slots=True)
class Report:
    """What `h2load` says in the end.

    Attributes:
        done: Requests that ended.
        failed: Those of them without HTTP 200.
        body_bytes: Of all answers together.
    """

    done: int
    failed: int
    body_bytes: int

    def answered(self, answer_bytes: int) -> int:
        """Returns how many requests were answered, when an answer is that long."""
        return self.body_bytes // answer_bytes


@dataclass(frozen=True, slots=True)
class Log:
    """Single requests.

    Attributes:
        ended: When each ended, in seconds since 1970.
        seconds: How long each took.
    """

    ended: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def within(self, start: float, end: float) -> NDArray[np.float64]:
        """Returns how long the requests took that ended in a while."""
        return self.seconds[(self.ended >= start) & (self.ended < end)]


def require_h2load() -> str:
    """Returns the command; installs it where that is possible without asking.

    Raises:
        NoLoadError: It is not there and cannot be installed.
    """
    if shutil.which("h2load") is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise NoLoadError(f"h2load is not installed: `apt-get install {PACKAGE}` as root brings it")
        for step in (["update"], ["install", "--yes", PACKAGE]):
            command = ["apt-get", "-qq", *step]
            if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:  # noqa: S603 - our own command
                raise NoLoadError(f"h2load is not installed, and `{' '.join(command)}` failed")
    return "h2load"


def compose_command(  # noqa: PLR0913 - what a load consists of
    url: str,
    headers: Sequence[tuple[str, str]],
    body: Path,
    shape: Shape,
    seconds: float,
    *,
    log: Path | None = None,
    per_second: float | None = None,
    grpc: bool = True,
) -> list[str]:
    """Returns the command of one load; `per_second` paces it, however slowly answers come.

    A connection of HTTP/1.1 has one call at a time: then there are as many connections as calls under way.
    """
    connections = shape.connections if grpc else shape.connections * shape.streams
    wanted = [*(GRPC_HEADERS if grpc else ()), *headers]
    return [
        require_h2load(),
        *([] if grpc else ["--h1"]),
        f"--clients={connections}",
        f"--max-concurrent-streams={shape.streams if grpc else 1}",
        "--threads=1",
        f"--duration={int(seconds * 1000)}ms",
        f"--data={body}",
        *(f"--header={name}: {value}" for name, value in wanted),
        *([f"--log-file={log}"] if log else []),
        *([f"--rps={max(round(per_second / connections), 1)}"] if per_second else []),
        url,
    ]


async def start(command: Sequence[str]) -> asyncio.subprocess.Process:
    """Starts a load."""
    return await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


async def finish(process: asyncio.subprocess.Process) -> Report:
    """Waits for a load's end.

    Raises:
        NoLoadError: It failed, or does not end.
    """
    try:
        written, _ = await asyncio.wait_for(process.communicate(), MOST_SECONDS)
    except TimeoutError as error:
        process.kill()
        raise NoLoadError(f"h2load has not ended {MOST_SECONDS:g} s later") from error
    if process.returncode:
        raise NoLoadError(f"h2load ended with status {process.returncode}:\n{written.decode()[-500:]}")
    return parse_report(written.decode())


def parse_report(text: str) -> Report:
    """Reads what `h2load` writes.

    Raises:
        NoLoadError: It made no request.
    """
    requests, bodies = _REQUESTS.search(text), _BODIES.search(text)
    if not requests or not bodies:
        raise NoLoadError(f"h2load says nothing of its requests:\n{text[-500:]}")
    done, succeeded, failed, errored = map(int, requests.groups())
    return Report(done, max(failed + errored, done - succeeded), int(bodies[1]))


def parse_log(path: Path) -> Log:
    """Reads a log: when each request started, its status, and how long it took, in microseconds."""
    if not path.stat().st_size:
        return Log(np.empty(0), np.empty(0))
    columns = np.loadtxt(path, dtype=np.int64, ndmin=2)
    return Log((columns[:, 0] + columns[:, 2]) / _MICROSECONDS, columns[:, 2] / _MICROSECONDS)
