"""Takes the calls that the front hands over in bursts, and answers every one of them exactly once."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, Final, Protocol

import grpc

from gateway.edge.calls import Sender, Traffic, find, no_bytes, read_call, read_sender, refusal_of
from gateway.edge.endpoints import Table
from gateway.edge.status import wire_status
from gateway.errors import GatewayError
from gateway.interfaces import Endpoint

# Calls begun before the loop may do something else: about 2 ms of work where one takes 50 µs.
MOST_A_TURN: Final = 32
CANCEL: Final = 1

# While more comes than can be read, every caller has its turn, and its calls wait unread for a quarter of their time at
# most, and for no longer than this.
MOST_UNREAD_SHARE, MOST_UNREAD_SECONDS = 0.25, 0.5

STOPPING: Final = "the gateway is stopping; call another replica"

Metadata = Sequence[tuple[str, str | bytes]]

# Kind, number of the call, of its method, message, client key, and metadata, peer, seconds until the deadline.
Event = tuple[int, int, int, Any, Any, Any]


@dataclass(slots=True, eq=False)
class Unread:
    """A call that nobody has looked at.

    Attributes:
        event: How it came.
        sender: Who sent it.
        received: When, in seconds of `monotonic`.
        gone: Whether its caller has left since.
    """

    event: Event
    sender: Sender
    received: float
    gone: bool = False


class Front(Protocol):
    """What carries answers to callers."""

    def respond(self, call_id: int, payload: bytes) -> bool:
        """Answers a call; says whether it still exists."""

    def fail(self, call_id: int, code: int, message: str, trailing_metadata: Metadata | None = None) -> bool:
        """Refuses a call; says whether it still exists."""


class Desk:
    """Runs the endpoints of the live table.

    Args:
        front: Carries answers.
        paths: The path of each method, by its number.
        table: Returns the live table.
        traffic: Counts the calls under way, and says how many may be.
        max_message_bytes: Largest message taken and given.
    """

    def __init__(
        self,
        front: Front,
        paths: Sequence[str],
        table: Callable[[], Table],
        traffic: Traffic,
        max_message_bytes: int,
    ) -> None:
        self._front = front
        self._paths = paths
        self._table = table
        self._traffic = traffic
        self._most_bytes = max_message_bytes
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._unread: dict[int, Unread] = {}
        self._queues: dict[str, deque[Unread]] = {}
        self._ring: deque[str] = deque()
        self._turning = False
        self._tasks: dict[int, asyncio.Task[bytes]] = {}
        self._overload = status_of(traffic.overload())

    def take(self, events: Sequence[Event], received: float) -> None:
        """Takes a burst; refuses unread what is beyond the calls that may be under way, or would come too late.

        Args:
            events: The burst.
            received: When it came, in seconds of `monotonic`; deadlines count from then.
        """
        now = monotonic()
        for event in events:
            if event[0] == CANCEL:
                self._give_up(event[1])
            elif not self._open:
                self._front.fail(event[1], number_of(grpc.StatusCode.UNAVAILABLE), STOPPING)
            elif not self._queue(Unread(event, read_sender(event[5][0]), received), now):
                self._front.fail(event[1], *self._overload)
        if not self._turning:
            self._turn()

    def _queue(self, unread: Unread, now: float) -> bool:
        """Lets a call wait behind others of its caller; returns whether it may."""
        remaining, key = unread.event[5][2], unread.sender.api_key or unread.sender.certificate or ""
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
            self._ring.append(key)
        delay = now - queue[0].received if queue else 0.0
        share = MOST_UNREAD_SECONDS if remaining is None else max(remaining * MOST_UNREAD_SHARE, 0.0)
        if delay > min(share, MOST_UNREAD_SECONDS):
            return False
        if self._traffic.active + len(self._unread) >= self._traffic.most:
            return False
        queue.append(unread)
        self._unread[unread.event[1]] = unread
        return True

    def close(self) -> None:
        """Refuses calls that come from now on."""
        self._open = False

    def cancel(self) -> None:
        """Ends the calls that are still under way."""
        for task in self._tasks.values():
            task.cancel()

    def _give_up(self, number: int) -> None:
        """Ends a call whose caller has gone or stopped waiting; one that still waits here is never begun."""
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()
        elif number in self._unread:
            self._unread.pop(number).gone = True

    def _turn(self) -> None:
        """Begins some of the calls that wait, of each caller in turn; then the loop looks after everything else."""
        ring, now, table = self._ring, self._loop.time(), self._table()
        self._traffic.last = now
        begun = 0
        while ring and begun < MOST_A_TURN:
            queue = self._queues[ring[0]]
            if not queue:
                del self._queues[ring.popleft()]
                continue
            unread = queue.popleft()
            ring.rotate(-1)
            if not unread.gone:
                del self._unread[unread.event[1]]
                self._begin(unread, table, now - (monotonic() - unread.received))
                begun += 1
        self._turning = bool(ring)
        if ring:
            self._loop.call_soon(self._turn)

    def _begin(self, unread: Unread, table: Table, received: float) -> None:
        """Begins a call that was received at a time of the event loop's clock."""
        _, number, method, message, _, (_, _, remaining) = unread.event
        if len(message) > self._most_bytes:
            self._fail_size(number, "Received", len(message))
            return
        path = self._paths[method]
        try:
            answering: Any = find(table, path, Endpoint).answer(read_call(message, unread.sender, remaining, received))
            task = self._tasks[number] = self._loop.create_task(answering)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told no more than it should be
            self._front.fail(number, *status_of(refusal_of(path, error)))
            return
        self._traffic.active += 1
        task.add_done_callback(partial(self._end, number, path))

    def _end(self, number: int, path: str, task: asyncio.Task[bytes]) -> None:
        """Answers a call whose work has ended; the front knows those whose callers have gone."""
        del self._tasks[number]
        self._traffic.active -= 1
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:  # raised here, it would hold this frame, which holds it: rubbish at every refusal
            self._refuse(number, path, task, error)
            return
        answer = task.result()
        if not isinstance(answer, bytes):
            self._refuse(number, path, task, no_bytes(answer))
        elif len(answer) > self._most_bytes:
            self._fail_size(number, "Sent", len(answer))
        else:
            self._front.respond(number, answer)

    def _refuse(self, number: int, path: str, task: asyncio.Task[bytes], error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError) and task.cancelling():
            self._front.fail(number, number_of(grpc.StatusCode.UNAVAILABLE), STOPPING)
        else:
            self._front.fail(number, *status_of(refusal_of(path, error)))

    def _fail_size(self, number: int, what: str, size: int) -> None:
        """Refuses a message in gRPC's own words, as the other listener does."""
        told = f"SERVER: {what} message larger than max ({size} vs. {self._most_bytes})"
        self._front.fail(number, number_of(grpc.StatusCode.RESOURCE_EXHAUSTED), told)


def status_of(error: GatewayError) -> tuple[int, str, Metadata]:
    """Returns what the front needs to refuse a call."""
    code, message, metadata = wire_status(error)
    return number_of(code), message, metadata


def number_of(code: grpc.StatusCode) -> int:
    """Returns the number of a code on the wire."""
    return int(code.value[0])
