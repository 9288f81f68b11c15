"""Ends a process's writing at any chosen moment: from then on every change of the watched folders fails.

What a killed process would not do any more, such as tidying up in `finally`, fails as well. Python's audit events say
when a file is about to be created, renamed or removed, so that nothing has to be replaced by a double.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PATHS = {"open": (0,), "os.mkdir": (0,), "os.remove": (0,), "os.rename": (0, 1), "os.rmdir": (0,)}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Crash(BaseException):
    """The process would be dead by now."""


class CrashPoint:
    """Counts changes below a folder, and fails from a given one on. Audit hooks stay for good: make one of these."""

    def __init__(self) -> None:
        self._root = ""
        self._left = 0
        self._changes = 0
        sys.addaudithook(self._watch)

    @contextmanager
    def at(self, change: int, root: Path) -> Iterator[None]:
        """Fails from the given change on, counted from 0."""
        self._root, self._left, self._changes = str(root), change, 0
        try:
            yield
        finally:
            self._root = ""

    @property
    def changes(self) -> int:
        """How many there were so far."""
        return self._changes

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._root or event not in _PATHS or not self._touches(event, arguments):
            return
        if self._left <= 0:
            raise Crash
        self._left -= 1
        self._changes += 1

    def _touches(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open" and not arguments[2] & _WRITING:
            return False
        if event == "os.mkdir" and Path(arguments[0]).exists():
            return False
        paths = [str(arguments[index]) for index in _PATHS[event]]
        if event in {"os.remove", "os.rmdir"} and arguments[1] != -1:  # a tree is removed by its open folders
            paths = [str(Path(f"/dev/fd/{arguments[1]}").resolve())]
        return any(path.startswith(self._root) for path in paths)
