"""Files that are whole or not there, and locks that tell who holds them."""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FLOCK = "hhqqi4x"  # struct flock on Linux, x86-64: type, whence, start, length, pid


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces a file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_bytes(content)
    new.replace(path)


def link_atomically(path: Path, target: str) -> None:
    """Replaces a symbolic link; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Holds a lock that ends with the process, however that ends.

    Raises:
        BlockingIOError: Another process holds it, and `wait` is false.
    """
    with path.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def holder(path: Path) -> int | None:
    """Returns the other process that holds a lock now, as the kernel knows it.

    Who holds it must not ask: closing the file would end the lock.
    """
    try:
        with path.open("rb+") as file:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return None
    return None if kind == fcntl.F_UNLCK else int(pid)
