"""The calls that nobody has looked at yet: those of every caller in turn, none for longer than helps it.

Where very many callers wait, chance spreads them among a few queues (McKenney, Stochastic Fairness Queueing, 1990): who
writes another key into each of its calls has no more turns for that.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.edge.calls import RETRY_AFTER_MS, Sender, Traffic
from gateway.errors import Overloaded

# While more comes than can be read, every caller has its turn, and its calls wait unread for a quarter of their time at
# most, and for no longer than this.
MOST_UNREAD_SHARE: Final = 0.25
MOST_UNREAD_SECONDS: Final = 2.0

# Callers with a queue of their own, and queues that others share: few enough to look for the longest, 15 µs, whenever a
# call comes that is one too many.
MOST_OWN: Final = 64
SHARED: Final = 64

# Kind, number of the call, of its method, message, client key, and metadata, peer, seconds until the deadline.
Event = tuple[int, int, int, Any, Any, Any]
NOTHING: Final[Event] = (0, 0, 0, None, None, None)


@dataclass(slots=True, eq=False)
class Unread:
    """A call that nobody has looked at.

    Attributes:
        event: How it came.
        sender: Who sent it.
        received: When, in seconds of `monotonic`.
        gone: Whether its caller has left since; nothing of its message is kept then.
    """

    event: Event
    sender: Sender
    received: float
    gone: bool = False


@dataclass(slots=True, eq=False)
class Queue:
    """The unread calls of one caller, or of several where very many wait.

    Attributes:
        calls: They, as they came.
        since: Since when there have been some, without a break, in seconds of `monotonic`.
    """

    calls: deque[Unread]
    since: float

    def delay(self, now: float) -> float:
        """Returns for how long calls have waited here for others.

        What came while the loop stood still, and finds nobody waiting, does not count.
        """
        return now - max(self.calls[0].received, self.since) if self.calls else 0.0


class UnreadCalls:
    """The unread calls of all callers.

    Args:
        traffic: Counts the calls under way, and says how many may be.
        caller_of: Names the caller that somebody seems to be, quickly; by what it says itself, if it is left out.
    """

    def __init__(self, traffic: Traffic, caller_of: Callable[[Sender], str] | None = None) -> None:
        self._traffic = traffic
        self._caller_of = caller_of or named_by_itself
        self._calls: dict[int, Unread] = {}
        self._queues: dict[str | int, Queue] = {}
        self._ring: deque[str | int] = deque()

    def add(self, unread: Unread, now: float) -> Unread | None:
        """Lets a call wait behind others of its caller.

        Args:
            unread: The call.
            now: Seconds of `monotonic`.

        Returns:
            The call that is one too many instead, and waits no longer: the last of a caller of whom more calls wait.

        Raises:
            Overloaded: It would wait too long, or is one too many.
        """
        sender, (_, number, _, _, _, (_, _, remaining)) = unread.sender, unread.event
        queue = self._queue_of(self._caller_of(sender), now)
        share = MOST_UNREAD_SECONDS if remaining is None else max(remaining * MOST_UNREAD_SHARE, 0.0)
        if queue.delay(now) > min(share, MOST_UNREAD_SECONDS):
            raise fallen_behind()
        is_full = self._traffic.active + len(self._calls) >= self._traffic.most
        displaced = self._make_room(queue) if is_full else None
        queue.calls.append(unread)
        self._calls[number] = unread
        return displaced

    def drop(self, number: int) -> Unread | None:
        """Forgets a call whose caller has gone; returns what it was, if it was here."""
        unread = self._calls.pop(number, None)
        if unread is None:
            return None
        was = Unread(unread.event, unread.sender, unread.received)
        unread.gone, unread.event = True, NOTHING
        return was

    def take(self, most: int) -> Iterator[Unread]:
        """Yields some of the calls, of each caller in turn."""
        ring, taken = self._ring, 0
        while ring and taken < most:
            calls = self._queues[ring[0]].calls
            if not calls:
                del self._queues[ring.popleft()]
                continue
            unread = calls.popleft()
            ring.rotate(-1)
            if not unread.gone:
                del self._calls[unread.event[1]]
                taken += 1
                yield unread

    def __bool__(self) -> bool:
        return bool(self._ring)

    def _make_room(self, queue: Queue) -> Unread:
        """Takes the last call from the longest queue.

        Raises:
            Overloaded: No other is longer.
        """
        while True:
            longest = max((each.calls for each in self._queues.values()), key=len)
            if len(longest) <= len(queue.calls):
                raise self._traffic.overload()
            last = longest.pop()
            if not last.gone:
                del self._calls[last.event[1]]
                return last

    def _queue_of(self, caller: str, now: float) -> Queue:
        is_own = caller in self._queues or len(self._queues) < MOST_OWN
        key = caller if is_own else hash(caller) % SHARED
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = Queue(deque(), now)
            self._ring.append(key)
        elif not queue.calls:
            queue.since = now
        return queue


def named_by_itself(sender: Sender) -> str:
    """Names a caller by what it says of itself."""
    return sender.api_key or sender.certificate or sender.authorization or ""


def fallen_behind() -> Overloaded:
    """The error of a call that would wait too long before anybody reads it."""
    return Overloaded(
        "GATEWAY_BUSY",
        "more calls come than the gateway can read; send less load, or try again in a moment",
        retry_after_ms=RETRY_AFTER_MS,
    )
