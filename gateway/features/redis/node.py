"""One server of Redis: its connections, which one task keeps open and opens anew."""

import asyncio
from collections.abc import Callable, Sequence
from random import uniform
from typing import Any

from redis.exceptions import RedisError, ResponseError

from gateway.features.redis.addresses import Place
from gateway.features.redis.door import PING, Door
from gateway.features.redis.wire import Wire
from gateway.redis_connection import Standing, explain

READ_WIRES = 2
RETRY_SECONDS = 0.1, 0.25
FIRST_RETRY_SECONDS = 0.0, 0.05  # after a loss, which many processes may have had at once
WRITE_SECONDS = 1.0


class Node:
    """A server. Its connections are opened at the first use, and are there until it is closed.

    Args:
        door: Opens connections.
        place: Where it is.
        news: Is set when it comes within reach or gets out of it.

    Attributes:
        place: As above.
    """

    def __init__(self, door: Door, place: Place, news: asyncio.Event) -> None:
        self.place = place
        self._door, self._news = door, news
        self._reading: list[Wire] = []
        self._writing: Wire | None = None
        self._opening = asyncio.Lock()
        self._tried, self._broken = asyncio.Event(), asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._refused = False
        self._standing = Standing(str(place), "features in Redis cannot be read", "features in Redis can be read")

    @property
    def up(self) -> bool:
        """Says whether it can be asked."""
        return bool(self._reading)

    def start(self) -> None:
        """Begins to keep the connections open."""
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def settle(self, seconds: float) -> None:
        """Waits until it is known whether it can be reached, but not longer; later on, not at all."""
        self.start()
        if self._tried.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await self._tried.wait()
        except TimeoutError:
            return

    def ask(self, packed: bytes, number: int, seconds: float) -> "asyncio.Future[list[Any]]":
        """Sends commands on the connection where the least is under way.

        Returns:
            The answers, as of `Wire.ask`; ConnectionError at once where it cannot be reached.
        """
        wires = self._reading
        if not wires:
            nothing: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
            nothing.set_exception(self._away())
            return nothing
        wire = wires[0] if len(wires) == 1 or wires[0].waiting <= wires[1].waiting else wires[1]
        return wire.ask(packed, number, seconds)

    async def ask_in_turn(self, packed: bytes, number: int) -> list[Any]:
        """Sends commands that write, on a connection of their own, behind those that were sent before.

        Raises:
            OSError: It does not answer; some may have been carried out.
            ResponseError: It does not let us in.
        """
        await self.settle(self._door.answer_seconds)
        if not self.up:
            raise self._away()
        async with self._opening:
            if self._writing is None or self._writing.ended:
                self._writing = await self._door.open(self.place)
            answers = self._writing.ask(packed, number, WRITE_SECONDS)
        return await answers

    async def open(
        self, lost: Callable[[Wire], None], pushed: Callable[[list[Any]], None], commands: Sequence[bytes]
    ) -> Wire:
        """Opens a connection on which it speaks unasked; arguments and errors are those of `Door.open`."""
        return await self._door.open(self.place, lost, pushed, commands)

    async def check(self) -> bool:
        """Says whether it answers."""
        await self.settle(self._door.answer_seconds)
        try:
            (answer,) = await self.ask(PING, 1, self._door.answer_seconds)
        except (OSError, RedisError):
            return False
        return not isinstance(answer, ResponseError)

    def judge(self, refusal: ResponseError | None) -> None:
        """Logs that it refuses to say what rows it has, or that it does no longer, once each."""
        if refusal is not None:
            self._refused = True
            self._standing.tell(*explain(refusal))
        elif self._refused:
            self._refused = False
            self._standing.tell("", "")

    async def close(self) -> None:
        """Closes the connections."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for wire in (*self._reading, *([self._writing] if self._writing else [])):
            wire.close()
        await asyncio.sleep(0)

    def _away(self) -> ConnectionError:
        return ConnectionResetError(f"Redis at {self.place} cannot be reached")

    async def _keep(self) -> None:
        """Sees to it that there are connections to read from; no call ever opens one."""
        while True:
            pause = uniform(*RETRY_SECONDS)  # noqa: S311 - spreads the processes, no secret
            try:
                while len(self._reading) < READ_WIRES:
                    self._add(await self._door.open(self.place, self._lose))
                await self._broken.wait()
                pause = uniform(*FIRST_RETRY_SECONDS)  # noqa: S311 - as above
            except (OSError, RedisError) as error:
                if not self.up:
                    self._standing.tell(*explain(error))
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may go well
                self._standing.tell("broken", repr(error))
            self._tried.set()
            await asyncio.sleep(pause)

    def _add(self, wire: Wire) -> None:
        self._broken.clear()
        if not wire.ended:
            self._reading.append(wire)
            self._standing.tell("", "")
            self._tried.set()
            self._news.set()

    def _lose(self, wire: Wire) -> None:
        if wire in self._reading:
            self._reading.remove(wire)
            self._broken.set()
            self._news.set()
