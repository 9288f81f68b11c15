"""Lets Redis tell which keys are written, on a connection to every primary of its own: client tracking, broadcasting.

https://redis.io/docs/latest/develop/reference/client-side-caching/
"""

import asyncio
from collections.abc import Callable, Sequence
from random import uniform
from typing import Any

from redis.exceptions import RedisError

from gateway.features.redis.door import PING
from gateway.features.redis.large import LargeValues
from gateway.features.redis.node import RETRY_SECONDS, Node
from gateway.features.redis.wire import Wire, pack
from gateway.features.source import Listener
from gateway.redis_connection import Standing, explain

BEAT_SECONDS = 0.5
INVALIDATE = b"invalidate"

# A primary is not known or cannot be reached, as who knows it logs.
AWAY = "unreachable", "a primary cannot be reached"


class Track:
    """A connection on which a primary tells of changes.

    Attributes:
        wire: The connection.
        prefixes: The beginnings of the keys.
    """

    def __init__(self, wire: Wire, prefixes: frozenset[str]) -> None:
        self.wire, self.prefixes = wire, prefixes


class Tracking:
    """Tells a listener of changes.

    Args:
        primaries: Names the servers that are written to.
        news: Is set when those may be others.
        listener: Who is told.
        large: As the listener.
        answer_seconds: For how long an answer is waited for.
    """

    def __init__(
        self,
        primaries: Callable[[], Sequence[Node]],
        news: asyncio.Event,
        listener: Listener,
        large: LargeValues,
        answer_seconds: float,
    ) -> None:
        self._primaries, self._news = primaries, news
        self._listener, self._large = listener, large
        self._answer_seconds = answer_seconds
        self._prefixes = frozenset[str]()
        self._tracks: dict[Node, Track] = {}
        self._whole = False
        self._standing = Standing("features", "changes of features are not told", "changes of features are told")

    def follow(self, prefixes: frozenset[str]) -> None:
        """Names the beginnings of the keys whose changes are told."""
        self._prefixes = prefixes
        self._news.set()

    async def run(self) -> None:
        """Tells of changes, for ever."""
        beats = asyncio.get_running_loop().create_task(self._beat())
        try:
            while True:
                self._news.clear()
                pause = None if await self._settle() else uniform(*RETRY_SECONDS)  # noqa: S311 - no secret
                await self._wait(pause)
        finally:
            beats.cancel()
            for track in tuple(self._tracks.values()):
                track.wire.close()
            await asyncio.gather(beats, return_exceptions=True)

    async def _wait(self, seconds: float | None) -> None:
        """Waits for news, but not longer."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def _settle(self) -> bool:
        """Sees to it that every primary tells of what is wanted; says whether they do."""
        nodes = self._primaries()
        for node in [node for node in self._tracks if node not in nodes]:
            self._tracks.pop(node).wire.close()
        if not nodes or any(node not in self._tracks for node in nodes):
            self._tell(whole=False)
        problems = await asyncio.gather(*(self._track(node) for node in nodes))
        problem = next(filter(None, problems), None if nodes else AWAY)
        if problem is not AWAY:
            self._standing.tell(*(problem or ("", "")))
        # A primary may have been lost meanwhile.
        whole = problem is None and all(node in self._tracks for node in nodes)
        self._tell(whole=whole)
        return whole

    async def _track(self, node: Node) -> tuple[str, str] | None:
        """Sees to it that one primary tells of what is wanted; returns what keeps it from that, as `explain` does.

        The new connection tells before the old one, which told of other keys, has said its last.
        """
        prefixes, before = self._prefixes, self._tracks.get(node)
        if before is not None and before.prefixes == prefixes:
            return None
        node.start()
        if not node.up:
            return AWAY
        try:
            wire = await self._open(node, prefixes)
            if wire.ended:
                return AWAY
            self._tracks[node] = Track(wire, prefixes)
            if before is not None:
                await before.wire.ask(PING, 1, self._answer_seconds)
        except (OSError, RedisError) as error:
            return explain(error)
        finally:
            if before is not None and self._tracks.get(node) is not before:
                before.wire.close()
        return None

    async def _open(self, node: Node, prefixes: frozenset[str]) -> Wire:
        """Opens a connection that tells of keys; without a prefix, Redis would tell of all.

        Raises:
            OSError: The server does not answer.
            ResponseError: It refuses.
        """
        words = [word for prefix in sorted(prefixes) for word in ("PREFIX", prefix)]
        commands = [pack("CLIENT", "TRACKING", "ON", "BCAST", *words)] if words else []
        return await node.open(lambda wire: self._lose(node, wire), self._take, commands)

    def _take(self, message: list[Any]) -> None:
        """Takes what a primary says: keys, or that it has forgotten everything."""
        if message[0] != INVALIDATE:
            return
        keys = message[1]
        if keys is not None:
            self._large.changed(keys)
            self._listener.changed(keys)
            return
        self._large.forget()
        if self._whole:
            self._tell(whole=False)
            self._tell(whole=True)

    def _lose(self, node: Node, wire: Wire) -> None:
        """Takes that a connection has ended."""
        track = self._tracks.get(node)
        if track is not None and track.wire is wire:
            del self._tracks[node]
            self._tell(whole=False)
            self._news.set()

    def _tell(self, *, whole: bool) -> None:
        """Tells whether all changes are told, if that is news."""
        if whole == self._whole:
            return
        self._whole = whole
        self._large.forget()
        if whole:
            self._listener.followed()
        else:
            self._listener.lost()

    async def _beat(self) -> None:
        """Finds out about primaries that are silent without having closed the connection.

        What cannot be read from lets go of the connection that tells, which may be the last one that it allows.
        """
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            for node, track in tuple(self._tracks.items()):
                if not node.up:
                    track.wire.close()
            tracks = tuple(self._tracks.values())
            await asyncio.gather(*(track.wire.ask(PING, 1, BEAT_SECONDS) for track in tracks), return_exceptions=True)
