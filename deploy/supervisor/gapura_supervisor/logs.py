"""Bounds logs that others write, and reads their last lines."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

LOG_BYTES = 8 * 1024 * 1024
OLD_LOGS = 3
_LAST_LINES = 15
_LAST_BYTES = 64 * 1024


def rotate(log: Path, limit_bytes: int = LOG_BYTES) -> None:
    """Bounds a log that others keep open for appending; what they say while it is copied is lost."""
    with suppress(OSError):  # a full disk, or a log that somebody removed, must not end a server that serves
        if log.stat().st_size < limit_bytes:
            return
        names = [log, *(log.with_name(f"{log.name}.{age}") for age in range(1, OLD_LOGS + 1))]
        for newer, older in zip(names[-2:0:-1], names[:1:-1], strict=True):
            if newer.exists():
                newer.replace(older)
        shutil.copyfile(log, names[1])
        os.truncate(log, 0)


def last_words(log: Path, start: int = 0) -> str:
    """Returns the last lines of a log after so many bytes, indented, and its path, for an error message."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _LAST_BYTES, start if start <= size else 0, 0))
            lines = file.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
    except OSError:
        lines = []
    return "\n".join([*(f"    {line}" for line in lines), f"({log})"])
