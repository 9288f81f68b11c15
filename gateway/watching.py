"""Follows a file that somebody else replaces."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

Fingerprint = tuple[int, int, int] | None


async def changes(path: Path, seen: Fingerprint, every_seconds: float) -> AsyncIterator[None]:
    """Yields whenever the file is another one than at the last look.

    Args:
        path: The file; it may be missing.
        seen: Its fingerprint, taken before it was last read, so that no change is missed.
        every_seconds: Time between looks.
    """
    while True:
        await asyncio.sleep(every_seconds)
        now = fingerprint(path)
        if now != seen:
            seen = now
            yield


def fingerprint(path: Path) -> Fingerprint:
    """Tells one content of a file from the next; None while the file is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
