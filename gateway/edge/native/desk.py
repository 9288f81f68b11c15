"""Takes the calls that the front hands over in bursts, and answers every one of them exactly once."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Final, Protocol

import grpc

from gateway.edge.calls import Sender, Traffic, find, no_bytes, read_call, read_sender, tell
from gateway.edge.endpoints import Table
from gateway.edge.native.begun import Begun, begin
from gateway.edge.native.polling import Polling
from gateway.edge.native.unread import Event, Unread, UnreadCalls
from gateway.edge.status import wire_status
from gateway.errors import GatewayError, Overloaded
from gateway.interfaces import Endpoint

# Calls begun before the loop may do something else: about 2 ms of work where one takes 50 µs.
MOST_A_TURN: Final = 32
CANCEL: Final = 1

# Cancellations that are remembered in case that their calls come after them.
MOST_EARLY: Final = 256

STOPPING: Final = "the gateway is stopping; call another replica"

Metadata = Sequence[tuple[str, str | bytes]]


class Front(Protocol):
    """What carries answers to callers."""

    def recv_batch_details(self, max_events: int, timeout_ms: int | None = None) -> Sequence[Event] | None:
        """Waits for a burst; None once it is closed."""

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
        caller_of: As of `UnreadCalls`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a desk is made of
        self,
        front: Front,
        paths: Sequence[str],
        table: Callable[[], Table],
        traffic: Traffic,
        max_message_bytes: int,
        caller_of: Callable[[Sender], str] | None = None,
    ) -> None:
        self._front = front
        self._paths = paths
        self._table = table
        self._traffic = traffic
        self._most_bytes = max_message_bytes
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._unread = UnreadCalls(traffic, caller_of)
        self._turning = False
        self._polling = Polling(self._look)
        self._tasks: dict[int, asyncio.Task[bytes]] = {}
        self._early: dict[int, None] = {}
        self._refusals: list[tuple[int, str, BaseException]] = []

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
            elif event[1] in self._early:
                del self._early[event[1]]
            elif not self._open:
                self._front.fail(event[1], number_of(grpc.StatusCode.UNAVAILABLE), STOPPING)
            else:
                self._keep(Unread(event, read_sender(event[5][0]), received), now)
        if not self._turning:
            self._turn()

    def _look(self) -> None:
        """Takes what has come, if anything has."""
        if events := self._front.recv_batch_details(MOST_A_TURN, 0):
            self.take(events, monotonic())

    def _keep(self, unread: Unread, now: float) -> None:
        """Lets a call wait until it is read; refuses it, or one that has to make room for it."""
        try:
            displaced = self._unread.add(unread, now)
        except Overloaded as error:
            self._front.fail(unread.event[1], *status_of(error))
            return
        if displaced is not None:
            self._front.fail(displaced.event[1], *status_of(self._traffic.overload()))

    def close(self) -> None:
        """Refuses calls that come from now on."""
        self._open = False

    def cancel(self) -> None:
        """Ends the calls that are still under way."""
        for task in self._tasks.values():
            task.cancel()

    def _give_up(self, number: int) -> None:
        """Ends a call whose caller has gone or stopped waiting; one that still waits here is never begun.

        The receiver may hold a call when its cancellation is found by polling: that call is not begun either.
        """
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()
        elif not self._unread.drop(number):
            self._early[number] = None
            if len(self._early) > MOST_EARLY:  # they are of calls that had ended
                del self._early[next(iter(self._early))]

    def _turn(self) -> None:
        """Begins some of the calls that wait, of each caller in turn; then the loop looks after everything else."""
        now, table = self._loop.time(), self._table()
        self._traffic.last = now
        behind = monotonic() - now
        for unread in self._unread.take(MOST_A_TURN):
            self._begin(unread, table, unread.received - behind)
        self._tell_refusals()
        self._turning = bool(self._unread)
        if self._turning:
            self._loop.call_soon(self._turn)

    def _tell_refusals(self) -> None:
        """Tells callers that they were refused, all at once: each alone would wake the front, and cost it a write."""
        for number, path, error in self._refusals:
            self._refuse(number, path, error)
        self._refusals.clear()

    def _begin(self, unread: Unread, table: Table, received: float) -> None:
        """Begins a call that was received at a time of the event loop's clock."""
        _, number, method, message, _, (_, _, remaining) = unread.event
        if len(message) > self._most_bytes:
            self._fail_size(number, "Received", len(message))
            return
        path = self._paths[method]
        try:
            call = read_call(path, message, unread.sender, remaining, received)
            begun = begin(find(table, path, Endpoint).answer(call))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, the caller is told no more than it should be
            self._refusals.append((number, path, error))
            return
        if not isinstance(begun, Begun):
            self._respond(number, path, begun)
            return
        task = self._tasks[number] = self._loop.create_task(begun)
        self._traffic.active += 1
        self._polling.begin(self._traffic.active)
        task.add_done_callback(partial(self._end, number, path))

    def _end(self, number: int, path: str, task: asyncio.Task[bytes]) -> None:
        """Answers a call whose work has ended; the front knows those whose callers have gone."""
        del self._tasks[number]
        self._traffic.active -= 1
        self._polling.end(self._traffic.active)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self._respond(number, path, task.result())
        elif isinstance(error, asyncio.CancelledError) and task.cancelling():
            self._front.fail(number, number_of(grpc.StatusCode.UNAVAILABLE), STOPPING)
        else:  # raised here, it would hold this frame, which holds it: rubbish at every refusal
            self._refuse(number, path, error)

    def _respond(self, number: int, path: str, answer: object) -> None:
        if not isinstance(answer, bytes):
            self._refuse(number, path, no_bytes(answer))
        elif len(answer) > self._most_bytes:
            self._fail_size(number, "Sent", len(answer))
        else:
            self._front.respond(number, answer)

    def _refuse(self, number: int, path: str, error: BaseException) -> None:
        code, message, metadata = tell(path, error)
        self._front.fail(number, number_of(code), message, metadata)

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
