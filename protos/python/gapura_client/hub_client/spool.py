"""Records in files of this process, which are on the disk when `append` returns.

The decision ledger will read them. A folder has files `<team>-<host>-<process>-<random>-<number>.jsonl`, each with
whole lines of `records`; a last line without its end was never acknowledged, and is none. A writer holds a lock on its
file (`flock`, exclusive) for as long as it may write, and begins another file after `file_bytes`: who gets the lock may
read the file to its end and remove it. A folder that holds `folder_bytes` takes no more, as nothing that was
acknowledged may be lost.
"""

import errno
import os
import secrets
import socket
import threading
from contextlib import suppress
from pathlib import Path

from gapura_client.hub_client.errors import SpoolError

SUFFIX = ".jsonl"
FILE_BYTES = 16 * 1024 * 1024
FOLDER_BYTES = 1024 * 1024 * 1024


class Spool:
    """Writes records; it can be shared between threads, and by processes that are forked.

    Args:
        folder: Where the files are; it is made with the first.
        name: With what their names begin.
        file_bytes: About how large a file gets.
        folder_bytes: How much the folder may hold.
    """

    def __init__(
        self, folder: Path, name: str, *, file_bytes: int = FILE_BYTES, folder_bytes: int = FOLDER_BYTES
    ) -> None:
        self._folder, self._name = folder, name
        self._bounds = file_bytes, folder_bytes
        self._writers: dict[int, Writer] = {}

    def append(self, line: bytes) -> None:
        """Writes a line; when it returns, the line is on the disk.

        Raises:
            SpoolError: It may not be. What was written before is.
        """
        pid = os.getpid()
        writer = self._writers.get(pid)
        if writer is None:  # a forked process has files of its own
            name = f"{self._name}-{socket.gethostname()}-{pid}-{secrets.token_hex(4)}"
            writer = self._writers.setdefault(pid, Writer(self._folder, name, *self._bounds))
        writer.append(line)

    def close(self) -> None:
        """Lets go of the file; another line begins another."""
        writer = self._writers.pop(os.getpid(), None)
        if writer is not None:
            writer.close()


class Writer:
    """Writes the files of one process; threads that wait for the disk share its next write.

    Args:
        folder: Where they are.
        name: Their names before the number.
        file_bytes: As of `Spool`.
        folder_bytes: As of `Spool`.
    """

    def __init__(self, folder: Path, name: str, file_bytes: int, folder_bytes: int) -> None:
        self._folder, self._name = folder, name
        self._file_bytes, self._folder_bytes = file_bytes, folder_bytes
        self._writing, self._syncing = threading.Lock(), threading.Lock()
        self._file: int | None = None
        self._files, self._size, self._room = 0, 0, 0
        self._written = self._synced = self._lost = 0  # numbers of lines: the last of each kind

    def append(self, line: bytes) -> None:
        """Writes a line and waits until it is on the disk."""
        try:
            with self._writing:
                file = self._ready(len(line))
                self._write(file, line)
                self._written += 1
                number = self._written
            self._await_disk(number)
        except SpoolError:
            raise
        except OSError as error:
            raise SpoolError(error.errno, f"not written down: {error.strerror}", str(self._folder)) from error

    def close(self) -> None:
        """Lets go of the file."""
        with self._writing:
            self._let_go()

    def _ready(self, size: int) -> int:
        """Returns a file that has room."""
        if self._file is not None and self._size + size > min(self._file_bytes, self._room):
            self._let_go()
        if self._file is None:
            self._file = self._begin(size)
        return self._file

    def _begin(self, size: int) -> int:
        """Opens another file, whose name is on the disk too."""
        import fcntl  # noqa: PLC0415 - there is none on Windows, where the rest of the client works

        self._folder.mkdir(parents=True, exist_ok=True)
        self._room = self._folder_bytes - _bytes_in(self._folder)
        if size > self._room:
            told = f"not written down: the files hold {self._folder_bytes:,} bytes that nobody has read and removed"
            raise SpoolError(errno.ENOSPC, told, str(self._folder))
        while True:
            self._files += 1
            path = self._folder / f"{self._name}-{self._files}{SUFFIX}"
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file).st_nlink:
                break
            os.close(file)  # somebody else was first to lock it, and has removed it
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._size = 0
        return file

    def _write(self, file: int, line: bytes) -> None:
        """Writes a line whole, or not at all."""
        try:
            written = 0
            while written < len(line):
                written += os.write(file, line[written:])
        except OSError:
            try:
                os.ftruncate(file, self._size)
            except OSError:
                self._let_go()  # its last line has no end
            raise
        self._size += len(line)

    def _await_disk(self, number: int) -> None:
        """Waits until a line is on the disk.

        Raises:
            OSError: It is lost.
        """
        with self._syncing:
            if self._synced < number:
                self._sync()
            if number <= self._lost:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _sync(self) -> None:
        """Waits until all that is written is on the disk, or known to be lost."""
        with self._writing:
            written = self._written
            copy = os.dup(self._file) if self._file is not None else None  # the file may be let go meanwhile
        if copy is not None and not _is_kept(copy):
            with self._writing:
                self._lost = self._written
                self._let_go()  # a second try could say that all is well where it is not
        self._synced = written

    def _let_go(self) -> None:
        """Closes the file, with all that is written on the disk, or known to be lost."""
        file, self._file = self._file, None
        if file is not None and not _is_kept(file):
            self._lost = self._written


def _bytes_in(folder: Path) -> int:
    """Returns what the files of all writers hold."""
    held = 0
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):  # it has been read and removed
            held += path.stat().st_size
    return held


def _is_kept(file: int) -> bool:
    """Closes a file; says whether what was written to it is on the disk."""
    try:
        os.fsync(file)
    except OSError:
        return False
    finally:
        os.close(file)
    return True
