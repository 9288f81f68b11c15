"""Looks again and again who serves: every second, and soon where something is amiss."""

import asyncio
from collections.abc import Awaitable, Callable
from random import uniform

import structlog

from gateway.features.redis.node import RETRY_SECONDS

EVERY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Lookout:
    """Looks from its first use until it is closed.

    Args:
        look: Looks; says whether all is well.
    """

    def __init__(self, look: Callable[[], Awaitable[bool]]) -> None:
        self._look = look
        self._looked, self._hurry = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def hurry(self) -> None:
        """Lets the next look be soon."""
        self._hurry.set()

    async def settle(self, seconds: float) -> None:
        """Waits for the first look, but not longer."""
        self.start()
        if self._looked.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await self._looked.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Stops looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._hurry.clear()
            well = False
            try:
                well = await self._look()
            except Exception:
                log.exception("who serves features is not known")
            self._looked.set()
            await asyncio.sleep(uniform(*RETRY_SECONDS))  # noqa: S311 - spreads the processes, no secret
            if well:
                await self._wait()

    async def _wait(self) -> None:
        """Waits for the next look."""
        try:
            async with asyncio.timeout(EVERY_SECONDS):
                await self._hurry.wait()
        except TimeoutError:
            return
