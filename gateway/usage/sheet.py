"""The charges of one process on one day: cells in a mapped file, or in memory for as long as that cannot be written.

What is in a mapped file survives the process, however it ends: the kernel has it already. Space is allocated before it
is mapped, since a page that a full disk cannot hold would end the process. The process holds a lock on its file for as
long as it may write: a file that is not locked is finished.
"""

import fcntl
import mmap
import os
from contextlib import suppress
from pathlib import Path

from gateway.usage.layout import (
    BACKEND_NS,
    BLOCK_BYTES,
    CALLS,
    FEATURE_HITS,
    FIXED_BYTES,
    HEADER_BYTES,
    MAGIC,
    MARK,
    ROWS,
    VERSION,
    WORD_BYTES,
    Key,
    fit,
    mark_of,
    size_of,
)

MOST_STEP_BYTES = 1024 * 1024
CELL_WORDS = 4

Cell = memoryview  # words: calls, rows, backend nanoseconds, feature hits


class SheetFile:
    """A new file of its own, locked, with room for records.

    Args:
        path: Where it is; its folder is made if need be. Only their owner may read them.

    Raises:
        OSError: It cannot be made; nothing of it is left.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._start = self._end = self._position = 0  # bytes of the file: where the map starts and ends, what is used
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self._inode = os.fstat(self._descriptor).st_ino
            self._grow()
        except OSError:
            path.unlink(missing_ok=True)
            os.close(self._descriptor)
            raise
        self._words[1], self._words[2] = VERSION, BLOCK_BYTES
        self._words[0] = MAGIC
        self._position = HEADER_BYTES

    def enter(self, key: Key) -> Cell:
        """Writes a record without usage; returns its counters.

        Raises:
            OSError: There is no room for it.
        """
        tenant, model = map(fit, key)
        size = size_of(tenant, model)
        position = self._position
        if position % BLOCK_BYTES + size > BLOCK_BYTES:
            position = -(-position // BLOCK_BYTES) * BLOCK_BYTES
        if position + size > self._end:
            position = self._end
            self._grow()
        names, first = position - self._start + FIXED_BYTES, (position - self._start) // WORD_BYTES
        self._bytes[names : names + len(tenant) + len(model)] = tenant + model
        self._words[first + MARK] = mark_of(tenant, model)
        self._position = position + size
        return self._words[first : first + CELL_WORDS]

    def is_gone(self) -> bool:
        """Says whether somebody took the file away, so that nobody reads what is written to it."""
        try:
            return self._path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        """Says that the file is finished. Its cells stay where they are until nobody holds them."""
        with suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # maps have copies of the descriptor
        os.close(self._descriptor)

    def _grow(self) -> None:
        """Maps more of the file, as much as there is, within limits."""
        step = min(max(self._end, BLOCK_BYTES), MOST_STEP_BYTES)
        os.posix_fallocate(self._descriptor, self._end, step)
        self._bytes = memoryview(mmap.mmap(self._descriptor, step, offset=self._end))
        self._words = self._bytes.cast("Q")
        self._start, self._end = self._end, self._end + step


class Sheet:
    """All cells of one day.

    Args:
        path: Of the file, which is made with the first cell.

    Attributes:
        cells: Counters by tenant and model.
        problem: What keeps cells from being written, or nothing.
    """

    def __init__(self, path: Path) -> None:
        self.cells: dict[Key, Cell] = {}
        self.problem = ""
        self._path = path
        self._file: SheetFile | None = None
        self._held: dict[Key, None] = {}

    def enter(self, key: Key) -> Cell:
        """Makes a cell; in memory if the file does not take it."""
        cell = None
        if not self._held:
            try:
                cell = self._write(key)
            except OSError as error:
                self.problem = error.strerror or repr(error)
        if cell is None:
            cell = memoryview(bytearray(CELL_WORDS * WORD_BYTES)).cast("Q")
            self._held[key] = None
        self.cells[key] = cell
        return cell

    def settle(self) -> None:
        """Writes what is in memory alone, as far as that can be done now."""
        if self._file is not None and self._file.is_gone():
            self._file.close()
            self._file, self._held = None, dict.fromkeys(self.cells)
        try:
            for key in tuple(self._held):
                cell, held = self._write(key), self.cells[key]
                for field in (ROWS, BACKEND_NS, FEATURE_HITS, CALLS):
                    cell[field] = held[field]
                self.cells[key] = cell
                del self._held[key]
        except OSError as error:
            self.problem = error.strerror or repr(error)
        else:
            self.problem = ""

    def held_calls(self) -> int:
        """Returns the calls that are in memory alone."""
        return sum(self.cells[key][CALLS] for key in self._held)

    def close(self) -> None:
        """Says that no more charges come."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, key: Key) -> Cell:
        """Makes a cell in the file.

        Raises:
            OSError: The file does not take it.
        """
        if self._file is None:
            self._file = SheetFile(self._path)
        return self._file.enter(key)
