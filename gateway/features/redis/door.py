"""Opens connections to the servers of one address, with its user, database and TLS."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import ResponseError

from gateway.features.redis.addresses import Address, Kind, Place
from gateway.features.redis.wire import Wire, pack
from gateway.redis_connection import KEEPALIVE

PING = pack("PING")


def ignore(_: object) -> None:
    """Takes what nobody wants to know."""


class Door:
    """The way in.

    Args:
        address: Whose servers they are.
        answer_seconds: For how long an answer is waited for.
        connect_seconds: For how long a connection may take, up to its first answer.

    Attributes:
        answer_seconds: As above.
    """

    def __init__(self, address: Address, answer_seconds: float, connect_seconds: float) -> None:
        self.answer_seconds = answer_seconds
        self._address, self._connect_seconds = address, connect_seconds

    async def open(
        self,
        place: Place,
        lost: Callable[[Wire], None] = ignore,
        pushed: Callable[[list[Any]], None] | None = None,
        commands: Sequence[bytes] = (),
    ) -> Wire:
        """Connects to a server, which then has answered a PING.

        Args:
            place: Where it is.
            lost: Is called when the connection ends.
            pushed: Is called with what the server says unasked; it may say it only where this is given.
            commands: What it is to do then; it must not refuse.

        Raises:
            OSError: It cannot be reached; TimeoutError: not in time.
            ResponseError: It refuses.
        """
        wire = await self._connect(place, lost, pushed or ignore)
        for answer in await self._greet(wire, [*self._greeting(extended=pushed is not None), *commands]):
            if isinstance(answer, ResponseError):
                wire.close()
                raise answer
        return wire

    async def open_sentinel(self, place: Place) -> Wire:
        """Connects to a Sentinel. It may know no users, so that it is the next question that it answers or refuses.

        Raises:
            OSError: It cannot be reached.
        """
        wire = await self._connect(place, ignore, ignore)
        await self._greet(wire, [*self._log_in(), PING])
        return wire

    async def _connect(self, place: Place, lost: Callable[[Wire], None], pushed: Callable[[list[Any]], None]) -> Wire:
        loop = asyncio.get_running_loop()

        def protocol() -> Wire:
            return Wire(lost, pushed)

        async with asyncio.timeout(self._connect_seconds):
            if not place.port:
                return (await loop.create_unix_connection(protocol, place.host))[1]
            transport, wire = await loop.create_connection(protocol, *place, ssl=self._address.tls)
        taken = transport.get_extra_info("socket")
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            taken.setsockopt(socket.IPPROTO_TCP, option, value)
        return wire

    async def _greet(self, wire: Wire, commands: list[bytes]) -> list[Any]:
        """Sends the first commands."""
        try:
            return await wire.ask(b"".join(commands), len(commands), self._connect_seconds)
        except BaseException:
            wire.close()
            raise

    def _greeting(self, *, extended: bool) -> list[bytes]:
        """Returns the first commands; `extended` where the server is to speak unasked, which is protocol 3."""
        commands = self._log_in()
        if extended:
            commands.append(pack("HELLO", "3"))
        if self._address.database and self._address.kind is not Kind.CLUSTER:
            commands.append(pack("SELECT", str(self._address.database)))
        return [*commands, PING]

    def _log_in(self) -> list[bytes]:
        user, password = self._address.user, self._address.password
        if not user and not password:
            return []
        return [pack("AUTH", *([user] if user else []), password)]
