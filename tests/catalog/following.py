"""Follows a catalog in Redis within a test, and waits for what is to happen."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.catalog.redis import RedisCatalog

KEY = "gapura:catalog"
PATIENCE_SECONDS = 20.0
NEVER_SECONDS = 60.0  # longer than any test waits: only a notification comes in time


@asynccontextmanager
async def following(url: str, every_seconds: float = 0.05) -> AsyncIterator[RedisCatalog]:
    """Follows until the test is done with it; yields once Redis has answered or failed to."""
    catalog = RedisCatalog(url, KEY, every_seconds)
    task = asyncio.create_task(catalog.follow())
    try:
        await asyncio.wait_for(catalog.looked.wait(), PATIENCE_SECONDS)
        yield catalog
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def eventually(happens: Callable[[], bool]) -> None:
    """Waits until something is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not happens():
            await asyncio.sleep(0.01)


def generation(catalog: RedisCatalog) -> int:
    """Returns the generation that was seen last; 0 before the first."""
    return catalog.edition.generation if catalog.edition is not None else 0
