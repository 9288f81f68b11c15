"""Verdicts in Redis, where a hub on another machine finds them: a hash, with a field for each arm."""

import asyncio
from contextlib import aclosing
from typing import Any

from erpml.catalog.v1 import catalog_pb2
from redis.exceptions import RedisError

from gateway.redis_connection import Standing, cancelled, connect, explain, place_of

RETRY_SECONDS = 0.5

# Removes a field that still holds what is known of it: the hub, or another gateway, may have been there.
REMOVE = "return redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] and redis.call('HDEL', KEYS[1], ARGV[1])"


class Copies:
    """Writes verdicts to Redis, for as long as it takes.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`.
        key: Key of the hash.

    Raises:
        ConfigurationError: The URL is not valid.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key
        self._left: dict[str, tuple[bool, bytes]] = {}
        self._news = asyncio.Event()
        place = place_of(connect(url))
        self._standing = Standing(
            place, "verdicts are not told to Redis; files have them", "verdicts are told to Redis"
        )

    def put(self, verdict: catalog_pb2.Verdict) -> None:
        """Writes a verdict, as soon as Redis takes it."""
        self._note(verdict, is_kept=True)

    def remove(self, verdict: catalog_pb2.Verdict) -> None:
        """Removes a verdict, as soon as Redis is there."""
        self._note(verdict, is_kept=False)

    async def run(self) -> None:
        """Writes until it is cancelled."""
        while not cancelled():
            await self._news.wait()
            self._news.clear()
            try:
                async with aclosing(connect(self._url)) as client:
                    while self._left:
                        await self._write(client, *next(iter(self._left.items())))
                self._standing.tell("", "")
            except (RedisError, OSError, TimeoutError) as error:
                self._standing.tell(*explain(error))
                await asyncio.sleep(RETRY_SECONDS)
                self._news.set()

    def _note(self, verdict: catalog_pb2.Verdict, *, is_kept: bool) -> None:
        self._left[f"{verdict.model}/{verdict.experiment}/{verdict.arm}"] = is_kept, verdict.SerializeToString()
        self._news.set()

    async def _write(self, client: Any, field: str, told: tuple[bool, bytes]) -> None:
        """Writes or removes one, unless that has changed meanwhile."""
        is_kept, content = told
        if is_kept:
            await client.hset(self._key, field, content)
        else:
            await client.eval(REMOVE, 1, self._key, field, content)
        if self._left[field] is told:
            del self._left[field]
