"""A sheet that this process writes: a mapped file, or memory where there can be none.

What is in a mapped file survives the process, however it ends. The next process of the same role goes on with it, so
that no count is ever lost and there are never more sheets than there were processes at a time.
"""

import fcntl
import mmap
import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import structlog

from gateway.telemetry.families import Family
from gateway.telemetry.layout import (
    CELLS,
    CELLS_START,
    FILE_BYTES,
    HEADER_BYTES,
    INDEX_BYTES,
    WORDS,
    Identity,
    Labels,
    Series,
    read_identity,
    read_records,
    series_of,
    write_header,
    write_record,
)

MOST_SHEETS = 1024
SUFFIX = ".sheet"

log = structlog.get_logger(__name__)


class Sheet:
    """Series of one process.

    Args:
        memory: All bytes of the sheet, with its header.
        descriptor: Of the file; the lock that it holds says that somebody writes.

    Attributes:
        identity: Whose it is.
        cells: All numbers.
        mapped: Whether it is a file.
    """

    def __init__(self, memory: memoryview, descriptor: int | None = None) -> None:
        identity = read_identity(bytes(memory[:HEADER_BYTES]))
        if identity is None:
            raise ValueError("no sheet")
        self.identity = identity
        self.cells = memory[CELLS_START:].cast("d")
        self._memory = memory
        self._descriptor = descriptor
        self.mapped = descriptor is not None
        self._used = WORDS.unpack_from(memory)[1]
        self.places = {(family, labels): first for family, first, labels in read_records(bytes(memory[:CELLS_START]))}
        self._next = max((first + family.cells for (family, _), first in self.places.items()), default=0)

    def place(self, family: Family, labels: Labels) -> int | None:
        """Returns the first cell of a series, which is made if need be; None if there is no room for it."""
        known = self.places.get((family, labels))
        if known is not None:
            return known
        record, first = write_record(family, self._next, labels), self._next
        if self._used + len(record) > INDEX_BYTES or first + family.cells > CELLS:
            return None
        at = HEADER_BYTES + self._used
        self._memory[at : at + len(record)] = record
        self._used += len(record)
        self._next += family.cells
        WORDS.pack_into(self._memory, 0, bytes(self._memory[:8]), self._used)
        self.places[family, labels] = first
        return first

    def series(self) -> list[Series]:
        """Reads every series as it is now, in whatever thread."""
        return series_of(self.cells, ((family, at, labels) for (family, labels), at in self.places.copy().items()))

    def close(self) -> None:
        """Lets another process go on with it."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # the map has a copy of the descriptor
            os.close(self._descriptor)
            self._descriptor = None


def open_sheet(folder: Path, role: str) -> Sheet:
    """Goes on with a sheet that nobody writes any more, or makes one; in memory where the folder cannot be used."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in paths_of(folder, role):
            sheet = take(path, role)
            if sheet is not None:
                return sheet
    except OSError as error:
        log.error("metrics are kept in memory alone", folder=str(folder), reason=error.strerror or repr(error))
    header = write_header(Identity(str(uuid4()), role, MOST_SHEETS, time.time_ns()))
    return Sheet(memoryview(bytearray(header + bytes(FILE_BYTES - len(header)))))


def paths_of(folder: Path, role: str) -> Iterator[Path]:
    """Yields the names that sheets of a role may have."""
    return (folder / f"{role}-{number}{SUFFIX}" for number in range(MOST_SHEETS))


def take(path: Path, role: str) -> Sheet | None:
    """Takes a sheet, which is made anew if it is of no use; None if another process writes it.

    Raises:
        OSError: It cannot be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    try:
        known = read_identity(os.pread(descriptor, HEADER_BYTES, 0))
        if known is None or known.role != role or os.fstat(descriptor).st_size != FILE_BYTES:
            renew(descriptor, path, role)
        memory = memoryview(mmap.mmap(descriptor, FILE_BYTES))
        return Sheet(memory, descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def renew(descriptor: int, path: Path, role: str) -> None:
    """Makes a file an empty sheet.

    Raises:
        OSError: There is no room for it.
    """
    number = int(path.stem.rpartition("-")[2])
    os.ftruncate(descriptor, 0)
    os.posix_fallocate(descriptor, 0, FILE_BYTES)  # a page that a full disk cannot hold would end the process
    os.pwrite(descriptor, write_header(Identity(str(uuid4()), role, number, time.time_ns())), 0)
