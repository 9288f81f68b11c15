"""Which calls may wait: those that find room, and can be answered in time."""

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from gateway.batching.call import WaitingCall
from gateway.batching.pace import Pace
from gateway.batching.slots import Slots
from gateway.batching.waiting import WaitingCalls
from gateway.errors import Overloaded
from gateway.types import ModelVersion, Priority

# A tenant may hold this many times the room that is left, so that there always is some for others: alone it gets four
# fifths, of two each gets four ninths.
# Source: Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998.
TIMES_WHAT_IS_LEFT = 4

# Batches take now more, now less than usual. So many standard deviations are kept free before a deadline.
CAUTION = 1.5

# Part of its time before its deadline from which on an answer would come too late.
MARGIN_SHARE = 0.1

LEAST_RETRY_MS, MOST_RETRY_MS = 20, 5_000


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """What a lane takes.

    Attributes:
        slots: Batches under way at the same time; None to learn it.
        queue_rows: Rows that may wait.
        queue_bytes: Bytes of tensors that may wait.
        queue_seconds: How long a call without deadline may have to wait.
    """

    slots: int | None
    queue_rows: int
    queue_bytes: int
    queue_seconds: float


class Refused(NamedTuple):
    """A call that was refused, and what holds for others of its tenant and class while nothing leaves the lane.

    Attributes:
        deadline: Its place in the line; whoever stands behind it waits no less.
        allowed: How long it might have waited.
        rows: Its rows.
        message: What it was told.
        retry_after_ms: When it may come again.
    """

    deadline: float
    allowed: float
    rows: int
    message: str
    retry_after_ms: int


class Admission:
    """Refuses calls that would wait in vain, or that others would wait for in vain.

    Args:
        version: What they wait for.
        limits: How much may wait.
        waiting: Who waits.
        pace: How long batches take.
        slots: How many are under way.

    Attributes:
        refused: Who was refused since anything has left, by tenant and class.
    """

    def __init__(
        self, version: ModelVersion, limits: LaneLimits, waiting: WaitingCalls, pace: Pace, slots: Slots
    ) -> None:
        self._version = version
        self._limits = limits
        self._waiting = waiting
        self._pace = pace
        self._slots = slots
        self._next_seconds: float | None = None
        self.refused: dict[tuple[str, Priority], Refused] = {}

    def forget(self) -> None:
        """Notes that batches or calls have left or come back: what is expected has to be reckoned anew."""
        self._next_seconds = None
        self.refused.clear()

    def recall(self, tenant: str, priority: Priority, deadline: float | None, rows: int, now: float) -> None:
        """Refuses a call that would fare no better than one that was just refused, at a tenth of what `check` costs.

        Raises:
            Overloaded: It would not be answered in time.
        """
        known = self.refused.get((tenant, priority))
        if known is None or rows < known.rows:
            return
        place, allowed = self._time_of(deadline, now)
        if place >= known.deadline and allowed <= known.allowed:
            raise self._too_late(known)

    def check(self, call: WaitingCall, now: float) -> None:
        """Lets a call wait; one that finds nobody waiting always finds room for its bytes.

        Args:
            call: The call.
            now: The event loop's clock.

        Raises:
            Overloaded: Too much waits already, or the call could not be answered in time.
        """
        waiting, rows = self._waiting, call.inputs.rows
        if not waiting.rows and self._slots.free:
            return  # as far as anybody can tell it is answered at once
        if waiting.rows and self._is_full(call):
            raise self._full(self._expected_seconds(waiting.rows, rows))
        deadline, allowed = self._time_of(call.deadline, now)
        if waiting.rows + rows <= waiting.most_rows and self._seconds_of_next() <= allowed:
            return  # it leaves with the next batch, whatever else does
        if self._expected_seconds(waiting.rows, rows) <= allowed:
            return  # even if everything that waits went first
        expected = self._expected_seconds(waiting.rows_before(call, now), rows)
        if expected > allowed:
            refused = Refused(
                deadline, allowed, rows, self._told(call, expected, allowed), retry_ms(expected - allowed)
            )
            if not waiting.in_order:
                self.refused[call.tenant, call.priority] = refused
            raise self._too_late(refused)

    def _seconds_of_next(self) -> float:
        """Estimates, with caution, how long the next batch takes, if it is as large as can be."""
        if self._next_seconds is None:
            most = max(self._waiting.most_rows, 1)
            self._next_seconds = self._expected_seconds(0.0, most)
        return self._next_seconds

    def _is_full(self, call: WaitingCall) -> bool:
        waiting, limits = self._waiting, self._limits
        rows_left, bytes_left = limits.queue_rows - waiting.rows, limits.queue_bytes - waiting.size
        if call.inputs.rows > rows_left or call.size > bytes_left:
            return True
        if waiting.rows < limits.queue_rows / 2 and waiting.size < limits.queue_bytes / 2:
            return False
        rows, size = waiting.held_by(call.tenant)
        return rows > TIMES_WHAT_IS_LEFT * rows_left or size > TIMES_WHAT_IS_LEFT * bytes_left

    def _expected_seconds(self, rows_before: float, rows: int) -> float:
        """Estimates, with caution, how long rows take that come now, if so many others leave before them."""
        pace, slots, most = self._pace, self._slots, max(self._waiting.most_rows, 1)
        places = min(slots.places, slots.limit)
        full_batches, rest = divmod(rows_before, most)
        largest, under_way = pace.seconds(most), pace.seconds(slots.usual_rows)
        own = largest if full_batches else pace.seconds(rest + rows)  # others join a batch that waits
        batches_under_way = slots.taken - places / 2 if slots.taken >= places else 0.0
        wait = (batches_under_way * under_way + full_batches * largest) / places
        variance = pace.spread**2 * (wait * largest / places + own * own) + under_way * under_way / 12
        return wait + own + CAUTION * sqrt(variance)

    def _full(self, expected: float) -> Overloaded:
        model, limits = self._version.model, self._limits
        return Overloaded(
            "QUEUE_FULL",
            f"model '{model}' has too much waiting: at most {limits.queue_rows} rows or {limits.queue_bytes} bytes, "
            "a part of them for tenants that have less waiting; send fewer calls at a time or try again",
            retry_after_ms=retry_ms(expected),
            model=model,
            limit=str(limits.queue_rows),
        )

    def _time_of(self, deadline: float | None, now: float) -> tuple[float, float]:
        """Returns where a call stands in its line, and how long it may take."""
        patience = self._limits.queue_seconds
        if deadline is None:
            return now + patience, patience
        return deadline, (deadline - now) * (1 - MARGIN_SHARE)

    def _too_late(self, refused: Refused) -> Overloaded:
        return Overloaded(
            "DEADLINE_UNREACHABLE",
            refused.message,
            retry_after_ms=refused.retry_after_ms,
            model=self._version.model,
        )

    def _told(self, call: WaitingCall, expected: float, allowed: float) -> str:
        until = "a call without deadline may have to wait" if call.deadline is None else "the deadline leaves"
        return (
            f"model '{self._version.model}' has so much waiting that an answer may take {expected:.2f} s, longer than "
            f"the {allowed:.2f} s that {until}; try again later, allow more time or send less load"
        )


def retry_ms(seconds: float) -> int:
    """Returns what to tell a caller who had better wait for a while."""
    return min(max(round(seconds * 100) * 10, LEAST_RETRY_MS), MOST_RETRY_MS)
