"""One Redis server, or the one that Sentinels name."""

import asyncio
from collections.abc import Sequence

from gapura_features.pushing import Command
from redis.exceptions import RedisError, ResponseError

from gateway.errors import Unavailable
from gateway.features.redis.addresses import Place
from gateway.features.redis.door import Door
from gateway.features.redis.large import LargeValues
from gateway.features.redis.lookout import Lookout
from gateway.features.redis.node import Node
from gateway.features.redis.sentinels import Sentinels
from gateway.features.redis.stores import unavailable
from gateway.features.redis.wire import pack
from gateway.features.source import UNREAD, Found


class Single:
    """A store of one server.

    Args:
        door: Opens connections.
        place: Where the server is.
        large: Is told of keys whose answers were late.
        news: Is set when the server comes within reach or gets out of it.
    """

    def __init__(self, door: Door, place: Place, large: LargeValues, news: asyncio.Event) -> None:
        self.node = Node(door, place, news)
        self._large, self._answer_seconds = large, door.answer_seconds

    async def read(self, keys: Sequence[str]) -> list[Found]:
        """Reads values by one MGET."""
        node, seconds = self.node, self._answer_seconds
        try:
            if not node.up:
                seconds /= 2
                await node.settle(seconds)
            (answer,) = await node.ask(pack("MGET", *keys), 1, seconds)
        except TimeoutError:
            self._large.suspect(keys)
            return [UNREAD] * len(keys)
        except (OSError, RedisError):
            return [UNREAD] * len(keys)
        if isinstance(answer, ResponseError):
            node.judge(answer)
            return [UNREAD] * len(keys)
        node.judge(None)
        found: list[Found] = answer
        return found

    async def measure(self, keys: Sequence[str]) -> list[object]:
        """Returns the length of each value."""
        packed = b"".join(pack("STRLEN", key) for key in keys)
        try:
            return await self.node.ask(packed, len(keys), self._answer_seconds)
        except (OSError, RedisError):
            return [UNREAD] * len(keys)

    async def write(self, commands: Sequence[Command]) -> list[object]:
        """Carries out commands.

        Raises:
            Unavailable: The server does not answer, or refuses.
        """
        if not commands:
            return []
        try:
            answers = await self.node.ask_in_turn(b"".join(pack(*command) for command in commands), len(commands))
        except (OSError, RedisError) as error:
            raise unavailable(error) from error
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise unavailable(answer) from answer
        return answers

    async def check(self) -> bool:
        """Says whether the server answers."""
        return await self.node.check()

    def primaries(self) -> Sequence[Node]:
        """Returns the server."""
        return (self.node,)

    async def close(self) -> None:
        """Closes the connections."""
        await self.node.close()


class Watched:
    """A store of the server that Sentinels name; when they name another, that is asked from then on.

    Args:
        door: Opens connections to the server.
        sentinels: Who name it.
        large: As of `Single`.
        news: As of `Single`; also set when there is another server.
    """

    def __init__(self, door: Door, sentinels: Sentinels, large: LargeValues, news: asyncio.Event) -> None:
        self._door, self._sentinels, self._large, self._news = door, sentinels, large, news
        self._single: Single | None = None
        self._lookout = Lookout(self._look)

    async def read(self, keys: Sequence[str]) -> list[Found]:
        """Reads values by one MGET."""
        single = await self._named()
        if single is None:
            return [UNREAD] * len(keys)
        return await single.read(keys)

    async def measure(self, keys: Sequence[str]) -> list[object]:
        """Returns the length of each value."""
        single = await self._named()
        return [UNREAD] * len(keys) if single is None else await single.measure(keys)

    async def write(self, commands: Sequence[Command]) -> list[object]:
        """Carries out commands.

        Raises:
            Unavailable: No server is named, or it does not answer, or is no primary any more.
        """
        single = await self._named()
        if single is None:
            raise unavailable("the Sentinels name no primary")
        try:
            return await single.write(commands)
        except Unavailable:
            self._lookout.hurry()
            raise

    async def check(self) -> bool:
        """Says whether the server answers."""
        single = await self._named()
        return single is not None and await single.check()

    def primaries(self) -> Sequence[Node]:
        """Returns the server."""
        self._lookout.start()
        return () if self._single is None else (self._single.node,)

    async def close(self) -> None:
        """Closes the connections."""
        await self._lookout.close()
        await self._sentinels.close()
        if self._single is not None:
            await self._single.close()

    async def _named(self) -> Single | None:
        """Returns the server's store; the first time, the Sentinels are waited for."""
        if self._single is None:
            await self._lookout.settle(self._door.answer_seconds / 2)
        return self._single

    async def _look(self) -> bool:
        """Asks the Sentinels; says whether the server that they name can be reached."""
        place = await self._sentinels.primary()
        before = self._single
        if place is not None and (before is None or before.node.place != place):
            self._single = Single(self._door, place, self._large, self._news)
            self._single.node.start()
            self._news.set()
            if before is not None:
                await before.close()
        return place is not None and self._single is not None and self._single.node.up
