"""Follows the catalog in Redis: told of every change, and looking now and then in case it was not."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from random import uniform
from typing import Any

from redis.exceptions import RedisError

from gateway.catalog.edition import Edition
from gateway.catalog.envelope import HEAD_BYTES, MOST_BYTES, open_envelope
from gateway.errors import CatalogError
from gateway.redis_connection import Standing, cancelled, connect, explain, place_of

ANSWER_SECONDS = 1.0
WHOLE_SECONDS = 10.0
RETRY_SECONDS = 0.5, 1.0


class RedisCatalog:
    """The catalog in Redis. Whatever happens there, the last whole one stays.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with user and password where they are needed.
        key: Key of the envelope, and channel on which a change is told.
        every_seconds: Time between looks.

    Raises:
        ConfigurationError: The URL is not valid.

    Attributes:
        edition: The newest whole catalog that was seen, or None.
        news: Set when there is a newer one.
        looked: Set once Redis has answered, or failed to.
    """

    def __init__(self, url: str, key: str, every_seconds: float) -> None:
        self.edition: Edition | None = None
        self.news = asyncio.Event()
        self.looked = asyncio.Event()
        self._url = url
        self._key = key
        self._every_seconds = every_seconds
        self._origin = f"Redis key '{key}'"
        self._seen: tuple[int, bytes] | None = None
        place = place_of(connect(url))
        self._standing = Standing(place, "catalog in Redis is not followed", "catalog in Redis is followed")

    async def follow(self) -> None:
        """Follows until it is cancelled; connects again whenever it has to."""
        while True:
            try:
                await self._follow_once()
            except (RedisError, OSError, TimeoutError) as error:
                self._standing.tell(*explain(error))
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may go well
                self._standing.tell("broken", repr(error))
            self.looked.set()
            await asyncio.sleep(uniform(*RETRY_SECONDS))  # noqa: S311 - spreads the workers, no secret

    async def _follow_once(self) -> None:
        """Follows until the connection breaks.

        Raises:
            RedisError: It did, or Redis refuses.
        """
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(aclosing(connect(self._url)))
            notices = await stack.enter_async_context(aclosing(client.pubsub()))
            await notices.subscribe(self._key)
            await notices.get_message(timeout=ANSWER_SECONDS)
            whole = True
            while not cancelled():
                await self._look(client, whole=whole)
                self.looked.set()
                whole = await notices.get_message(timeout=self._every_seconds) is not None
            raise asyncio.CancelledError

    async def _look(self, client: Any, *, whole: bool) -> None:
        """Reads the catalog, if it is another one than at the last look or `whole` says so."""
        seen = await client.strlen(self._key), await client.getrange(self._key, 0, HEAD_BYTES - 1)
        if seen == self._seen and not whole:
            return
        async with asyncio.timeout(WHOLE_SECONDS):
            content = await client.getrange(self._key, 0, MOST_BYTES)
        self._seen = seen
        self._take(content)

    def _take(self, content: bytes) -> None:
        """Takes a catalog that is whole and newer."""
        if not content:
            self._standing.tell("empty", "no catalog there yet; `gapura publish` writes it")
            return
        try:
            edition = open_envelope(self._origin, content)
        except CatalogError as error:
            self._standing.tell(error.message, error.message)
            return
        known = self.edition.generation if self.edition is not None else 0
        if edition.generation < known:
            self._standing.tell("older", f"{self._origin} went back from generation {known} to {edition.generation}")
            return
        self._standing.tell("", "")
        if self.edition is None or edition.content != self.edition.content:
            self.edition = edition
            self.news.set()
