"""Follows files that somebody else replaces."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from pathlib import Path
from time import monotonic

Fingerprint = tuple[int, int, int] | None

LOOK_SECONDS = 0.1  # a look takes 2 µs


async def changes(
    look: Callable[[], Hashable],
    seen: Hashable,
    every_seconds: float,
    unsettled: Callable[[], bool] = lambda: False,
    news: asyncio.Event | None = None,
) -> AsyncIterator[None]:
    """Yields whenever files are others than at the last look, or what was made of them is not settled.

    Args:
        look: Takes the fingerprints of the files; it takes microseconds.
        seen: What it returned before they were last read, so that no change is missed.
        every_seconds: Time between tries of files as they are.
        unsettled: Says whether the files deserve another try as they are.
        news: Set by somebody who knows that there is something else to look at.
    """
    news = news or asyncio.Event()
    retry = monotonic() + every_seconds
    while True:
        told = await is_set_within(news, min(every_seconds, LOOK_SECONDS))
        now, due = look(), monotonic() >= retry
        if told or now != seen or (due and unsettled()):
            seen, retry = now, monotonic() + every_seconds
            news.clear()
            yield


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Waits for an event; returns whether it was set in time."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def fingerprint(path: Path) -> Fingerprint:
    """Tells one content of a file from the next; None while the file is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
