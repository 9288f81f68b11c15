"""Calls that end with many codes, kept under way on one worker until enough were made; every code is counted."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.arena import echo_request
from benchmarks.measuring.framing import frame
from benchmarks.measuring.http2 import OK, Connection, Reply, connect
from benchmarks.models import ECHO
from benchmarks.telemetry.workers import ELSEWHERE, FREE, LIMITED, Worker
from gateway.telemetry.words import CODES

CONTENT = bytes(range(40))
ASKED = frame(echo_request(CONTENT))
UNKNOWN = frame(echo_request(CONTENT).replace(ECHO.encode(), b"team9_none"))
NO_MESSAGE = frame(b"\xff\xff")
SAMPLED = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
LOST = ("the connection was lost", "the connection is closed")


@dataclass(frozen=True, slots=True)
class Kind:
    """Calls over one connection.

    Attributes:
        headers: Sent with each of them.
        bodies: Sent in turn.
        under_way: How many are at once.
    """

    headers: tuple[tuple[str, str], ...]
    bodies: tuple[bytes, ...]
    under_way: int


def kinds(keys: Mapping[str, str], *, late: bool) -> list[Kind]:
    """Returns all kinds.

    Args:
        keys: Of the tenants, by name.
        late: Whether there are calls whose deadline has passed when they come.
    """
    key = {name: ("x-api-key", key) for name, key in keys.items()}
    found = [
        Kind((key[FREE],), (*[ASKED] * 6, UNKNOWN, ASKED, NO_MESSAGE), 24),
        Kind((("x-api-key", "nobody's"),), (ASKED,), 1),
        Kind((key[ELSEWHERE],), (ASKED,), 2),
        Kind((key[LIMITED],), (ASKED,), 2),
    ]
    return [*found, Kind((key[FREE], ("grpc-timeout", "1n")), (ASKED,), 2)] if late else found


@dataclass(slots=True)
class Seen:
    """What callers have seen.

    Attributes:
        codes: How many calls ended with each code, by its name.
        lost: Calls that were under way when their worker was killed.
        problems: Answers that were not right.
    """

    codes: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    problems: Counter[str] = field(default_factory=Counter)


class Caller:
    """Keeps the calls of one kind under way.

    Args:
        connection: To the worker.
        kind: Of the calls.
        left: One for each call that is still to be made, by whomever.
        seen: Takes what becomes of them.
    """

    def __init__(self, connection: Connection, kind: Kind, left: Iterator[int], seen: Seen) -> None:
        self._connection = connection
        self._kind = kind
        self._left = left
        self._seen = seen
        self._made = self._under_way = 0
        self.ended = asyncio.Event()

    def start(self) -> None:
        """Makes the first calls."""
        for _ in range(self._kind.under_way):
            self._ask()
        self._connection.flush()

    def _ask(self) -> None:
        if next(self._left, None) is not None:
            self._under_way += 1
            self._made += 1
            self._connection.call(self._kind.bodies[self._made % len(self._kind.bodies)], self._take)
        elif not self._under_way:
            self.ended.set()

    def _take(self, reply: Reply) -> None:
        self._under_way -= 1
        if reply.text in LOST:
            self._seen.lost += 1
            if not self._under_way:
                self.ended.set()
            return
        self._seen.codes[CODES[reply.code]] += 1
        if reply.code == OK and not reply.message.endswith(CONTENT):
            self._seen.problems["another answer"] += 1
        self._ask()


async def call(worker: Worker, wanted: Sequence[Kind], left: Iterator[int], seen: Seen) -> None:
    """Calls a worker until enough calls were made, or it ends."""
    connections = [await connect(worker.address, kind.headers) for kind in wanted]
    callers = [Caller(connection, kind, left, seen) for connection, kind in zip(connections, wanted, strict=True)]
    for caller in callers:
        caller.start()
    await asyncio.gather(*(caller.ended.wait() for caller in callers))
    for connection in connections:
        connection.close()
