"""Follows the records that a worker writes, across the rotation of its files."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from gateway.telemetry.records import Record


class Follower:
    """Reads each record once; what is not a record is left out.

    Args:
        path: The file that is written.
        position: Where to begin, in bytes.
    """

    def __init__(self, path: Path, position: int) -> None:
        self._path = path
        self._position = position
        self._file: BinaryIO | None = None
        self._rest = b""

    def new(self) -> Iterator[Record]:
        """Yields the records that have come since the last time."""
        while True:
            yield from self._read()
            if not self._turn():
                return

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self) -> Iterator[Record]:
        """Yields the whole lines that the open file has more."""
        while self._file is not None and (piece := self._file.read(1 << 20)):
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                with suppress(ValueError):
                    record = json.loads(line)
                    if isinstance(record, dict):
                        yield record

    def _turn(self) -> bool:
        """Opens the file, or the one that has taken its place; says whether there is something new to read."""
        try:
            if self._file is not None and os.fstat(self._file.fileno()).st_ino == self._path.stat().st_ino:
                return False
            file = self._path.open("rb")
        except OSError:
            return False  # not written yet, or just being rotated
        if self._file is None:
            file.seek(self._position)
        self.close()
        self._file, self._rest = file, b""
        return True
