"""The source of rows that is Redis, whichever kind of it is at the address."""

import asyncio
from collections.abc import Sequence

from gapura_features.pushing import Command

from gateway.features.redis.addresses import Address, Kind, read_address
from gateway.features.redis.cluster import Cluster
from gateway.features.redis.door import Door
from gateway.features.redis.large import LargeValues
from gateway.features.redis.sentinels import Sentinels
from gateway.features.redis.single import Single, Watched
from gateway.features.redis.stores import Store
from gateway.features.redis.tracking import Tracking
from gateway.features.source import Found, Listener, RowSource

CONNECT_SECONDS = 0.4
LOOKS = 3
LOOK_SECONDS = 0.05
LOOK_KEYS = 256


def open_source(url: str, answer_seconds: float = 0.1, connect_seconds: float = CONNECT_SECONDS) -> RowSource:
    """Returns the rows at an address; nothing is connected before they are used.

    Args:
        url: The address, as of `read_address`.
        answer_seconds: For how long an answer is waited for.
        connect_seconds: For how long a connection may take, up to its first answer; no call waits for it.

    Raises:
        ConfigurationError: It is not valid.
    """
    address = read_address(url)
    news, large = asyncio.Event(), LargeValues()
    store = _store(address, Door(address, answer_seconds, connect_seconds), large, news)
    return RedisSource(store, large, news, answer_seconds)


def _store(address: Address, door: Door, large: LargeValues, news: asyncio.Event) -> Store:
    if address.kind is Kind.CLUSTER:
        return Cluster(door, address.places, large, news)
    if address.kind is Kind.SENTINEL:
        return Watched(door, Sentinels(door, address.places, address.service), large, news)
    return Single(door, address.places[0], large, news)


class RedisSource:
    """Rows in Redis.

    Args:
        store: What is at the address.
        large: Is told by the store of keys whose answers were late.
        news: Is set by the store when its primaries may be others.
        answer_seconds: For how long an answer is waited for.
    """

    def __init__(self, store: Store, large: LargeValues, news: asyncio.Event, answer_seconds: float) -> None:
        self._store, self._large, self._news = store, large, news
        self._answer_seconds = answer_seconds
        self._prefixes = frozenset[str]()
        self._tracking: Tracking | None = None
        self._look: asyncio.Task[None] | None = None

    async def read(self, keys: Sequence[str]) -> list[Found]:
        """Reads rows in one round trip; what is far too large to be one counts as missing."""
        large = self._large.among(keys)
        asked = [key for key in keys if key not in large] if large else keys
        if not asked:
            return [None] * len(keys)
        found = await self._store.read(asked)
        if self._large.suspects:
            self._measure()
        self._large.weigh(asked, found)
        if not large:
            return found
        rows = dict(zip(asked, found, strict=True))
        return [rows.get(key) for key in keys]

    async def write(self, commands: Sequence[Command]) -> list[object]:
        """Carries out commands; returns their answers.

        Raises:
            Unavailable: Redis does not answer or refuses; some may have been carried out.
        """
        return await self._store.write(commands)

    async def check(self) -> bool:
        """Says whether Redis answers."""
        return await self._store.check()

    def follow(self, prefixes: frozenset[str]) -> None:
        """Names the beginnings of the keys whose changes are told from now on."""
        self._prefixes = prefixes
        if self._tracking is not None:
            self._tracking.follow(prefixes)

    async def run(self, listener: Listener) -> None:
        """Tells a listener of changes, for ever."""
        self._tracking = Tracking(self._store.primaries, self._news, listener, self._large, self._answer_seconds)
        self._tracking.follow(self._prefixes)
        await self._tracking.run()

    async def close(self) -> None:
        """Closes the connections."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)
        await self._store.close()

    def _measure(self) -> None:
        """Begins to find out whether something large kept an answer from being in time."""
        if self._look is None or self._look.done():
            self._look = asyncio.get_running_loop().create_task(self._measure_suspects())

    async def _measure_suspects(self) -> None:
        """Measures the suspects; a server that copies a large value out does not answer for a moment."""
        suspects = self._large.suspects
        for _ in range(LOOKS):
            await asyncio.sleep(LOOK_SECONDS)
            keys = list(suspects)[:LOOK_KEYS]
            for key, size in zip(keys, await self._store.measure(keys), strict=True):
                if isinstance(size, int):
                    self._large.measure(key, size)
                    del suspects[key]
            if not suspects:
                return
        suspects.clear()
