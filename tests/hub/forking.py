"""Publishers that start within milliseconds: forked from a process that has imported the hub and done nothing else.

The process is `tests.hub.forked`.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Forking:
    """The process that publishers are forked from.

    Attributes:
        process: It.
    """

    process: "subprocess.Popen[str]"

    def start(self) -> int:
        """Starts a publisher; returns its process."""
        assert self.process.stdin is not None
        self.process.stdin.write("publish\n")
        self.process.stdin.flush()
        return self._read()

    def wait(self) -> int:
        """Waits until it has ended; returns its exit status, or the negative number of the signal that ended it."""
        return self._read()

    def _read(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@contextmanager
def forking(environment: Mapping[str, str]) -> Iterator[Forking]:
    """Runs the process, with the settings of all its publishers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.hub.forked"],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Forking(process)
    finally:
        process.communicate()
    assert process.returncode == 0
