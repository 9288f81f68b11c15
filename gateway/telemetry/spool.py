"""Kept traces in files: one record a line, the newest file and the one before it."""

from contextlib import suppress
from io import BufferedWriter
from pathlib import Path

import structlog

MOST_BYTES = 16 * 1024 * 1024
SUFFIX, PREVIOUS = ".traces.jsonl", ".traces.1.jsonl"

log = structlog.get_logger(__name__)


class Spool:
    """Writes records; a disk that takes none costs nothing but them.

    Args:
        folder: Where the files are.
        worker: Name of the process.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._path, self._previous = folder / f"{worker}{SUFFIX}", folder / f"{worker}{PREVIOUS}"
        self._file: BufferedWriter | None = None
        self._problem = ""

    def write(self, line: str) -> None:
        """Writes a record."""
        try:
            if self._file is None:
                self._file = self._path.open("ab")
            elif self._file.tell() > MOST_BYTES:
                self._file.close()
                self._path.replace(self._previous)
                self._file = self._path.open("ab")
            self._file.write(line.encode() + b"\n")
        except OSError as error:
            self._fail(error)

    def flush(self) -> None:
        """Lets others read what was written."""
        try:
            if self._file is not None:
                self._file.flush()
                self._problem = ""
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Writes what is left, and closes the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _fail(self, error: OSError) -> None:
        """Goes on with a new file; tells a problem once."""
        problem = error.strerror or repr(error)
        if problem != self._problem:
            log.error("traces cannot be written", path=str(self._path), reason=problem)
        self._problem = problem
        self.close()
