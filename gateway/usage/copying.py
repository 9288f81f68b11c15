"""Copies the usage files of this machine to Redis, where those of all machines add up."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

from redis.exceptions import RedisError

from gateway.redis_connection import Standing, cancelled, connect, explain, place_of
from gateway.usage.copies import PREFIX, expiry_of, field_of, key_of, value_of
from gateway.usage.layout import Counts, Key
from gateway.usage.reading import UsageFile, UsageFolder
from gateway.usage.turn import Turn

EVERY_SECONDS = 5.0
EVERYTHING_SECONDS = 3600.0
FINAL_SECONDS = 2.0
WRITE_FIELDS = 500


@dataclass(frozen=True, slots=True)
class News:
    """What of a file is not in Redis yet.

    Attributes:
        file: The file.
        finished: Whether it will not change any more.
        counts: All that it has.
        fresh: What of that is new.
    """

    file: UsageFile
    finished: bool
    counts: dict[Key, Counts]
    fresh: dict[Key, Counts]


class UsageCopies:
    """Copies what changed in the files of this month and the last; one process of a machine does so for all of them.

    Everything is written again at the start, when Redis has lost something, and every hour. While Redis is away nothing
    is lost: the files have it.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with user and password where they are needed.
        folder: Folder of usage files.
        prefix: Of the keys in Redis, before the day.
        every_seconds: Time between looks.

    Raises:
        ConfigurationError: The URL is not valid.
    """

    def __init__(self, url: str, folder: Path, prefix: str = PREFIX, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._url = url
        self._folder = UsageFolder(folder, unhurried=True)
        self._prefix = prefix
        self._every_seconds = every_seconds
        self._turn = Turn(folder)
        place = place_of(connect(url))
        self._standing = Standing(place, "usage is not copied to Redis; the files keep it", "usage is copied to Redis")
        self._finished: set[str] = set()  # sources that are in Redis for good
        self._written: dict[str, dict[Key, Counts]] = {}  # by source, of those that may still change
        self._witnesses: dict[date, tuple[str, str]] = {}  # the last field and value that were written of a day
        self._everything_at = 0.0

    async def run(self) -> None:
        """Copies until it is cancelled, and then once more."""
        try:
            async with aclosing(connect(self._url)) as client:
                while not cancelled():
                    await self._try(self._copy_in_turn(client))
                    await asyncio.sleep(self._every_seconds)
        finally:
            await self._try(self._finish())
            self._turn.give_back()

    async def _try(self, work: Any) -> None:
        """Does something that may fail; the next try may go well."""
        try:
            copied = await work
        except (RedisError, OSError, TimeoutError) as error:
            self._standing.tell(*explain(error))
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._standing.tell("broken", repr(error))
        else:
            if copied:
                self._standing.tell("", "")

    async def _copy_in_turn(self, client: Any) -> bool:
        """Copies, unless another process does; says whether it did.

        Raises:
            RedisError: Redis fails or refuses.
            OSError: So does the folder.
        """
        if not self._turn.take():
            return False
        await self._copy(client)
        return True

    async def _finish(self) -> bool:
        """Copies for the last time, so that nothing is left when the last process of a machine has ended.

        Who finds the turn taken goes without: the other one then looks after it has given the turn back, once more.

        Raises:
            RedisError: Redis fails or refuses.
            OSError: So does the folder, or it takes too long.
        """
        async with asyncio.timeout(FINAL_SECONDS), aclosing(connect(self._url)) as client:
            while self._turn.take():
                await self._copy(client)
                self._turn.give_back()
                if not await self._is_behind():
                    return True
        return False

    async def _copy(self, client: Any) -> None:
        """Writes what is new."""
        await self._check(client)
        async for news in self._news():
            await self._write(client, news)
            if news.finished:
                self._finished.add(news.file.source)
                self._written.pop(news.file.source, None)
            else:
                self._written[news.file.source] = news.counts

    async def _check(self, client: Any) -> None:
        """Sees to it that everything is written again when Redis has lost something.

        It loses the latest first: where it still has what was written last of a day, it has the rest of that day.
        """
        if monotonic() >= self._everything_at:
            self._forget()
        known = list(self._witnesses.items())
        pipeline = client.pipeline(transaction=False)
        for day, (field, _) in known:
            pipeline.hget(key_of(self._prefix, day), field)
        if await pipeline.execute() != [value.encode() for _, (_, value) in known]:
            self._forget()

    async def _write(self, client: Any, news: News) -> None:
        """Writes the news of one file."""
        day = news.file.day
        key = key_of(self._prefix, day)
        fresh = iter(news.fresh.items())
        while some := list(islice(fresh, WRITE_FIELDS)):
            fields = {field_of(news.file.source, name): value_of(counts) for name, counts in some}
            pipeline = client.pipeline(transaction=False)
            pipeline.hset(key, mapping=fields)
            pipeline.expireat(key, expiry_of(day))
            await pipeline.execute()
            self._witnesses[day] = next(reversed(fields.items()))

    async def _news(self) -> AsyncGenerator[News, None]:
        """Yields what is not in Redis yet, by file."""
        for file in await asyncio.to_thread(self._folder.files, first_day()):
            if file.source not in self._finished:
                news = await asyncio.to_thread(look_into, self._folder, file, self._written.get(file.source, {}))
                if news.counts:
                    yield news

    async def _is_behind(self) -> bool:
        """Says whether the files have something that is not in Redis."""
        async with aclosing(self._news()) as found:
            return any([bool(news.fresh) async for news in found])

    def _forget(self) -> None:
        """Writes everything next time."""
        self._finished, self._written, self._witnesses = set(), {}, {}
        self._everything_at = monotonic() + EVERYTHING_SECONDS


def look_into(folder: UsageFolder, file: UsageFile, written: dict[Key, Counts]) -> News:
    """Reads a file and compares it with what was written of it."""
    finished = file.is_finished()
    counts = folder.read(file)
    return News(file, finished, counts, {key: count for key, count in counts.items() if written.get(key) != count})


def first_day() -> date:
    """Returns the first day of the last month."""
    return (datetime.now(UTC).date().replace(day=1) - timedelta(1)).replace(day=1)
