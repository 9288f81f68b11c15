"""The latest traces of all processes, followed in their files as they are written."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path
from threading import Lock

from gateway.operations.kept import Kept, KeptBatch, KeptCall, parse_lines
from gateway.telemetry.spool import PREVIOUS, SUFFIX

MOST_OF_A_PROCESS = 2_000
MOST = 20_000
TAIL_BYTES = 4 * 1024 * 1024
TURN_BYTES = 1024 * 1024


@dataclass(slots=True)
class Followed:
    """The files of one process, and what was read of them.

    Attributes:
        records: The latest ones, oldest first.
        descriptor: Of the file that is read; it stays the same when the file is renamed.
        inode: Of that file.
        offset: Up to where it was read.
        rest: Begin of a line whose end is not written yet.
    """

    records: deque[Kept] = field(default_factory=lambda: deque(maxlen=MOST_OF_A_PROCESS))
    descriptor: int = -1
    inode: int = 0
    offset: int = 0
    rest: bytes = b""

    def follow(self, path: Path, previous: Path) -> None:
        """Reads what was added; the end of what was there, when it is asked for the first time."""
        if self.descriptor < 0:
            self._open(previous)
            self._read()
        else:
            self._read()
        try:
            changed = path.stat().st_ino != self.inode
        except OSError:
            return
        if changed:
            self._open(path)
            self._read()

    def close(self) -> None:
        """Lets go of the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _open(self, path: Path) -> None:
        """Goes on with another file, near its end if it is long."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        self.close()
        told = os.fstat(descriptor)
        self.descriptor, self.inode, self.rest = descriptor, told.st_ino, b""
        self.offset = max(0, told.st_size - TAIL_BYTES)
        if self.offset:
            head = os.pread(descriptor, TURN_BYTES, self.offset)
            self.offset += head.find(b"\n") + 1

    def _read(self) -> None:
        """Reads the rest of the file, as far as its lines have ended."""
        while self.descriptor >= 0:
            content = os.pread(self.descriptor, TURN_BYTES, self.offset)
            if not content:
                if os.fstat(self.descriptor).st_size < self.offset:
                    self.offset, self.rest = 0, b""  # it was emptied
                    continue
                return
            self.offset += len(content)
            whole, end, rest = (self.rest + content).rpartition(b"\n")
            self.rest = rest if len(rest) < TURN_BYTES else b""
            self.records.extend(parse_lines(whole + end))


class TraceIndex:
    """Traces of a folder; any thread may ask.

    Args:
        folder: Telemetry folder; it may be missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._followed: dict[str, Followed] = {}
        self._lock = Lock()

    def latest(self) -> list[Kept]:
        """Returns what there is of all processes, newest first."""
        with self._lock:
            self._follow()
            runs = [sorted(each.records, key=started, reverse=True) for each in self._followed.values()]
        return list(merge(*runs, key=started, reverse=True))[:MOST]

    def close(self) -> None:
        """Lets go of the files."""
        with self._lock:
            for each in self._followed.values():
                each.close()
            self._followed.clear()

    def _follow(self) -> None:
        try:
            found = [path.name for path in self._folder.iterdir()]
        except OSError:
            found = []
        names = {
            name.removesuffix(SUFFIX).removesuffix(PREVIOUS) for name in found if name.endswith((SUFFIX, PREVIOUS))
        }
        for name in self._followed.keys() - names:
            self._followed.pop(name).close()
        for name in names:
            followed = self._followed.setdefault(name, Followed())
            followed.follow(self._folder / f"{name}{SUFFIX}", self._folder / f"{name}{PREVIOUS}")


def started(record: Kept) -> int:
    """Returns when a record began, in nanoseconds since 1970."""
    return record.start_ns


def calls_among(records: list[Kept], wanted: Callable[[KeptCall], bool]) -> Iterator[KeptCall]:
    """Yields calls that are wanted, in the order of the records."""
    return (each for each in records if isinstance(each, KeptCall) and wanted(each))


def batches_of(call: KeptCall, records: list[Kept]) -> list[KeptBatch]:
    """Returns the batches that carried a call, as far as they are kept, in their order."""
    known = {each.trace: each for each in records if isinstance(each, KeptBatch)}
    return [known[each.trace] for each in call.batches if each.trace in known]


def members_of(batch: KeptBatch, records: list[Kept]) -> list[KeptCall]:
    """Returns the kept calls of a batch, in their order."""
    known = {(each.trace, each.span): each for each in records if isinstance(each, KeptCall)}
    return [known[link.trace, link.span] for link in batch.links if (link.trace, link.span) in known]
