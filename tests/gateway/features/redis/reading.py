"""What tests of the store share: a source that is closed, one that tells a listener, and waiting."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from time import monotonic

from gateway.features.redis.opening import open_source
from gateway.features.source import UNREAD, RowSource

ANSWER_SECONDS = 0.3
STALL_SECONDS = 2.0  # for so long a busy machine may do something else


class Ear:
    """A listener that remembers what it was told.

    Attributes:
        keys: What was changed, and when in seconds of `time.monotonic`.
        told: `lost` and `followed`, in order.
    """

    def __init__(self) -> None:
        self.keys: dict[bytes, float] = {}
        self.told: list[str] = []

    @property
    def follows(self) -> bool:
        """Says whether changes are told."""
        return self.told[-1:] == ["followed"]

    def changed(self, keys: Iterable[bytes]) -> None:
        """Takes changes."""
        self.keys.update(dict.fromkeys(keys, monotonic()))

    def lost(self) -> None:
        """Takes that changes may be missed."""
        self.told.append("lost")

    def followed(self) -> None:
        """Takes that they are told."""
        self.told.append("followed")


@asynccontextmanager
async def source(url: str, answer_seconds: float = ANSWER_SECONDS) -> AsyncIterator[RowSource]:
    """Opens a source."""
    opened = open_source(url, answer_seconds)
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def followed(
    url: str, *prefixes: str, answer_seconds: float = ANSWER_SECONDS
) -> AsyncIterator[tuple[RowSource, Ear]]:
    """Opens a source that tells of changes; yields once it does."""
    async with source(url, answer_seconds) as opened:
        ear = Ear()
        opened.follow(frozenset(prefixes))
        running = asyncio.create_task(opened.run(ear))
        try:
            await until(lambda: ear.follows)
            yield opened, ear
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def until(true: Callable[[], bool], seconds: float = 10) -> float:
    """Waits until something is so; returns for how long, in seconds.

    Raises:
        AssertionError: It is not so in time.
    """
    began = monotonic()
    while not true():
        assert monotonic() - began < seconds, "it is not so in time"
        await asyncio.sleep(0.001)
    return monotonic() - began


async def until_read(opened: RowSource, key: str, row: bytes | None, seconds: float = 10) -> float:
    """Reads until a row is there; returns for how long, in seconds.

    Raises:
        AssertionError: It is not there in time.
    """
    began = monotonic()
    while await opened.read([key]) != [row]:
        assert monotonic() - began < seconds, "it cannot be read in time"
        await asyncio.sleep(0.005)
    return monotonic() - began


async def timed_read(opened: RowSource, *keys: str) -> tuple[float, list[object]]:
    """Reads; returns for how long, in seconds, and what was found."""
    began = monotonic()
    found = await opened.read(keys)
    return monotonic() - began, list(found)


def unread(found: Iterable[object]) -> bool:
    """Says whether nothing was read."""
    return all(row is UNREAD for row in found)
