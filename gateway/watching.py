"""Follows a file that somebody else replaces."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

Fingerprint = tuple[int, int, int] | None


async def changes(
    path: Path, seen: Fingerprint, every_seconds: float, unsettled: Callable[[], bool] = lambda: False
) -> AsyncIterator[None]:
    """Yields whenever the file is another one than at the last look, or what was made of it is not settled.

    Args:
        path: The file; it may be missing.
        seen: Its fingerprint, taken before it was last read, so that no change is missed.
        every_seconds: Time between looks.
        unsettled: Says whether the file deserves another try as it is.
    """
    while True:
        await asyncio.sleep(every_seconds)
        now = fingerprint(path)
        if now != seen or unsettled():
            seen = now
            yield


def fingerprint(path: Path) -> Fingerprint:
    """Tells one content of a file from the next; None while the file is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
