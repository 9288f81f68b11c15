"""Converts models in processes of their own: a model's code that crashes, hangs or leaks takes nothing else with it.

Each conversion is forked from a server process that has imported the tools and nothing else, so that it starts at once.
(`multiprocessing` has such a server as well, but runs the caller's main module again in every child.)
"""

import errno
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from converters import Conversion, ConversionError
from hub.errors import ModelDelayedError, ModelRefusedError

_MEANWHILE_SECONDS = 1.0


def _idle() -> None:
    """Does nothing."""


class Workshop:
    """Runs conversions, one at a time. Its server starts with the first, and ends with this process, however that ends.

    Args:
        seconds: Longest time that one may take.
        memory_mib: Most memory that one may take.
    """

    def __init__(self, seconds: float = 600.0, memory_mib: int = 8192) -> None:
        self._seconds = seconds
        self._memory_mib = memory_mib
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server, and a conversion under way with it."""
        if self._server is not None:
            with suppress(ProcessLookupError):  # it has ended by itself, and left no conversion behind
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.communicate()
            self._server = None

    def start(self) -> subprocess.Popen[bytes]:
        """Starts the server, unless it runs; returns it before it is ready. Ctrl-C does not reach it."""
        if self._server is not None and self._server.poll() is not None:
            self.close()
        if self._server is None:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            self._server = subprocess.Popen(
                [sys.executable, "-m", "hub.conversions.server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        return self._server

    def run(self, convert: Callable[[], Conversion], meanwhile: Callable[[], None] = _idle) -> Conversion:
        """Converts elsewhere.

        Args:
            convert: Does it; must be picklable.
            meanwhile: Called about once a second while it takes; raises nothing.

        Raises:
            ConversionError: It was refused.
            ModelRefusedError: It crashed, hung, or failed in a way that nobody has foreseen.
            OSError: There is no room for its answer.
        """
        with tempfile.TemporaryDirectory(prefix="gapura-") as folder:
            task, answer = Path(folder) / "task", Path(folder) / "answer"
            task.write_bytes(pickle.dumps(convert))
            self._require_end(self._ask(task, answer, meanwhile), answer)
            found = pickle.loads(answer.read_bytes())  # noqa: S301 - our own process wrote it
        if isinstance(found, str):
            raise ConversionError(found)
        return Conversion.from_files(found)

    def _require_end(self, status: int, answer: Path) -> None:
        """Makes sure that a conversion ended with an answer."""
        if status == -signal.SIGALRM:
            raise ModelRefusedError(
                f"its conversion takes longer than {self._seconds:g} s: simplify it, or set GAPURA_CONVERT_SECONDS"
            )
        if status == os.EX_IOERR:
            raise OSError(errno.ENOSPC, "what a conversion made cannot be written", str(answer.parent))
        if status != os.EX_OK or not answer.exists():
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            raise ModelRefusedError(f"its conversion crashed ({how}): log another model")

    def _ask(self, task: Path, answer: Path, meanwhile: Callable[[], None]) -> int:
        """Returns the exit status of one conversion, or the negative number of the signal that ended it."""
        server = self.start()
        assert server.stdin is not None  # noqa: S101 - both are pipes
        assert server.stdout is not None  # noqa: S101 - as above
        request = {"task": str(task), "answer": str(answer), "seconds": self._seconds, "memory_mib": self._memory_mib}
        try:
            server.stdin.write(json.dumps(request).encode() + b"\n")
            server.stdin.flush()
            while not select.select([server.stdout], [], [], _MEANWHILE_SECONDS)[0]:
                meanwhile()
            told = server.stdout.readline()
        except BrokenPipeError:
            told = b""
        except BaseException:
            self.close()  # or its answer would be taken for that of the next
            raise
        if not told:
            self.close()
            raise ModelDelayedError("the process that starts conversions has ended: publish again")
        return int(told)
