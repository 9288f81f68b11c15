"""One process of a machine does what one is enough for; when it ends, however it ends, another one may."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path


class Turn:
    """A lock on a folder itself: it works where no file can be written.

    Args:
        folder: The folder; while there is none, nobody has the turn.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Says whether this process has the turn, and takes it if nobody has.

        Raises:
            OSError: The folder cannot be locked.
        """
        if self._descriptor is not None and self._is_gone(self._descriptor):
            self.give_back()
        if self._descriptor is None:
            self._descriptor = self._lock()
        return self._descriptor is not None

    def give_back(self) -> None:
        """Lets others have the turn."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self) -> int | None:
        """Locks the folder; returns its descriptor, or None if somebody else has it."""
        with suppress(FileNotFoundError):
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            except OSError:
                os.close(descriptor)
                raise
            else:
                return descriptor
        return None

    def _is_gone(self, descriptor: int) -> bool:
        """Says whether the folder is another one than that which is locked."""
        try:
            return not os.path.samestat(self._folder.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return True
