"""Which data of each view is live, as the pointers in the store say."""

import asyncio
from collections.abc import Callable

import structlog
from gapura_features.keys import pointer_key
from gapura_features.pointer import Pointer

from gateway.features.source import UNREAD, RowSource

AGAIN_SECONDS = 0.2

log = structlog.get_logger(__name__)


class Pointers:
    """What is known of the pointers.

    Args:
        source: The store.
        views: Names the views.
        told: Is called with a view and the number of its live data, when that is another than before.

    Attributes:
        live: Number of the live data by view; those whose pointer could not be read yet are missing.
        unread: Whether the store did not answer the last time.
    """

    def __init__(self, source: RowSource, views: Callable[[], list[str]], told: Callable[[str, int], None]) -> None:
        self.live: dict[str, int] = {}
        self.unread = False
        self._source, self._views, self._told = source, views, told
        self._reading: asyncio.Task[None] | None = None
        self._again = False

    def look(self) -> "asyncio.Task[None]":
        """Reads the pointers until all are known; returns the task, which looks again if it was under way already."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._read())
        else:
            self._again = True
        return self._reading

    async def close(self) -> None:
        """Ends a look that is under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            views = self._views()
            found = await self._source.read([pointer_key(view) for view in views]) if views else []
            for view, content in zip(views, found, strict=True):
                if content is not UNREAD:
                    self._take(view, content)
            self.unread = UNREAD in found
            if self.unread:
                self._again = True
                await asyncio.sleep(AGAIN_SECONDS)

    def _take(self, view: str, content: bytes | None) -> None:
        try:
            live = Pointer.read(content).live
        except ValueError as error:
            log.error("pointer not understood; the data stays as it was", view=view, reason=str(error))
            return
        if self.live.get(view) != live:
            self.live[view] = live
            self._told(view, live)
