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
from gateway.edge.status import code_of_leaving, number_of, wire_status
from gateway.errors import GatewayError, Overloaded
from gateway.interfaces import Endpoint, Telemetry
from gateway.traces import CallTrace

# Calls begun before the loop may do something else: about 2 ms of work where one takes 30 µs.
MOST_A_TURN: Final = 64
CANCEL: Final = 1

# Cancellations that are remembered in case that their calls come after them.
MOST_EARLY: Final = 256

OK: Final = number_of(grpc.StatusCode.OK)
UNAVAILABLE: Final = number_of(grpc.StatusCode.UNAVAILABLE)
RESOURCE_EXHAUSTED: Final = number_of(grpc.StatusCode.RESOURCE_EXHAUSTED)

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
        telemetry: Knows what becomes of calls.
        caller_of: As of `UnreadCalls`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a desk is made of
        self,
        front: Front,
        paths: Sequence[str],
        table: Callable[[], Table],
        traffic: Traffic,
        max_message_bytes: int,
        telemetry: Telemetry,
        caller_of: Callable[[Sender], str] | None = None,
    ) -> None:
        self._front = front
        self._paths = paths
        self._table = table
        self._traffic = traffic
        self._most_bytes = max_message_bytes
        self._telemetry = telemetry
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._unread = UnreadCalls(traffic, caller_of)
        self._turning = False
        self._polling = Polling(self._look)
        self._begun: dict[int, Begun] = {}
        self._early: dict[int, None] = {}
        self._refusals: list[tuple[int, CallTrace, BaseException]] = []

    def take(self, events: Sequence[Event], received: float) -> None:
        """Takes a burst; refuses unread what is beyond the calls that may be under way, or would come too late.

        Where no call waits, and there is room for all of them, they are begun at once: nobody has to wait for a turn.

        Args:
            events: The burst.
            received: When it came, in seconds of `monotonic`; deadlines count from then.
        """
        now = monotonic()
        room = min(MOST_A_TURN, self._traffic.most - self._traffic.active)
        at_once = not self._turning and len(events) <= room
        behind, table = self._look_up(now)
        for event in events:
            if event[0] == CANCEL:
                self._give_up(event[1])
                continue
            unread = Unread(event, read_sender(event[5][0]), received)
            if event[1] in self._early:
                del self._early[event[1]]
                self._count_left(unread)
            elif not self._open:
                self._front.fail(event[1], UNAVAILABLE, STOPPING)
                self._count_unread(unread, UNAVAILABLE)
            elif at_once:
                self._begin(unread, table, received - behind)
            else:
                self._keep(unread, now)
        if at_once:
            self._tell_refusals()
        elif not self._turning:
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
            self._refuse_unread(unread, error)
            return
        if displaced is not None:
            self._refuse_unread(displaced, self._traffic.overload())

    def _refuse_unread(self, unread: Unread, error: Overloaded) -> None:
        """Refuses a call that nobody has looked at."""
        code, message, metadata = status_of(error)
        self._front.fail(unread.event[1], code, message, metadata)
        self._count_unread(unread, code, error)

    def _note(self, unread: Unread) -> CallTrace:
        """Begins to note a call."""
        sender = unread.sender
        return self._telemetry.begin(self._paths[unread.event[2]], unread.received, sender.parent, sender.state)

    def _count_unread(self, unread: Unread, code: int, error: Overloaded | None = None) -> None:
        """Counts a call that nobody has looked at."""
        self._telemetry.end(self._note(unread), code, error)

    def _count_left(self, unread: Unread) -> None:
        """Counts a call whose caller has gone before anybody looked at it."""
        remaining = unread.event[5][2]
        deadline = None if remaining is None else unread.received + remaining
        self._count_unread(unread, code_of_leaving(unread.received, deadline))

    def close(self) -> None:
        """Refuses calls that come from now on."""
        self._open = False

    def cancel(self) -> None:
        """Ends the calls that are still under way."""
        for begun in self._begun.values():
            begun.cancel()

    def _give_up(self, number: int) -> None:
        """Ends a call whose caller has gone or stopped waiting; one that still waits here is never begun.

        The receiver may hold a call when its cancellation is found by polling: that call is not begun either.
        """
        begun = self._begun.get(number)
        if begun is not None:
            begun.cancel()
        elif (unread := self._unread.drop(number)) is not None:
            self._count_left(unread)
        else:
            self._early[number] = None
            if len(self._early) > MOST_EARLY:  # they are of calls that had ended
                del self._early[next(iter(self._early))]

    def _turn(self) -> None:
        """Begins some of the calls that wait, of each caller in turn; then the loop looks after everything else."""
        behind, table = self._look_up(monotonic())
        for unread in self._unread.take(MOST_A_TURN):
            self._begin(unread, table, unread.received - behind)
        self._tell_refusals()
        self._turning = bool(self._unread)
        if self._turning:
            self._loop.call_soon(self._turn)

    def _look_up(self, now: float) -> tuple[float, Table]:
        """Returns by how much `monotonic`, which says now, is ahead of the loop's clock; and who answers calls."""
        time = self._traffic.last = self._loop.time()
        return now - time, self._table()

    def _tell_refusals(self) -> None:
        """Tells callers that they were refused, all at once: each alone would wake the front, and cost it a write."""
        for number, trace, error in self._refusals:
            self._refuse(number, trace, error)
        self._refusals.clear()

    def _begin(self, unread: Unread, table: Table, received: float) -> None:
        """Begins a call that was received at a time of the event loop's clock."""
        _, number, _, message, _, (_, _, remaining) = unread.event
        trace = self._note(unread)
        if len(message) > self._most_bytes:
            self._fail_size(number, trace, "Received", len(message))
            return
        try:
            call = read_call(trace, message, unread.sender, remaining, received)
            endpoint = find(table, trace.path, Endpoint)
            begun = begin(endpoint.answer(call))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, the caller is told no more than it should be
            self._refusals.append((number, trace, error))
            return
        if not isinstance(begun, Begun):
            self._respond(number, trace, begun)
            return
        self._begun[number] = begun
        self._traffic.active += 1
        self._polling.begin(self._traffic.active)
        begun.follow(partial(self._end, number, trace), in_task=not endpoint.is_taskless)

    def _end(self, number: int, trace: CallTrace, begun: Begun) -> None:
        """Answers a call whose work has ended; the front knows those whose callers have gone."""
        del self._begun[number]
        self._traffic.active -= 1
        self._polling.end(self._traffic.active)
        error = begun.error
        if error is None:
            self._respond(number, trace, begun.result)
        elif isinstance(error, asyncio.CancelledError) and begun.given_up:
            is_there = self._front.fail(number, UNAVAILABLE, STOPPING)
            self._telemetry.end(trace, UNAVAILABLE if is_there else code_of_leaving(trace.received, trace.deadline))
        else:  # raised here, it would hold this frame, which holds it: rubbish at every refusal
            self._refuse(number, trace, error)

    def _respond(self, number: int, trace: CallTrace, answer: object) -> None:
        if not isinstance(answer, bytes):
            self._refuse(number, trace, no_bytes(answer))
        elif len(answer) > self._most_bytes:
            self._fail_size(number, trace, "Sent", len(answer))
        else:
            is_there = self._front.respond(number, answer)
            self._telemetry.end(trace, OK if is_there else code_of_leaving(trace.received, trace.deadline))

    def _refuse(self, number: int, trace: CallTrace, error: BaseException) -> None:
        told, (code, message, metadata) = tell(trace, error)
        self._front.fail(number, number_of(code), message, metadata)
        self._telemetry.end(trace, number_of(code), told)

    def _fail_size(self, number: int, trace: CallTrace, what: str, size: int) -> None:
        """Refuses a message in gRPC's own words, as the other listener does."""
        told = f"SERVER: {what} message larger than max ({size} vs. {self._most_bytes})"
        self._front.fail(number, RESOURCE_EXHAUSTED, told)
        self._telemetry.end(trace, RESOURCE_EXHAUSTED)


def status_of(error: GatewayError) -> tuple[int, str, Metadata]:
    """Returns what the front needs to refuse a call."""
    code, message, metadata = wire_status(error)
    return number_of(code), message, metadata
