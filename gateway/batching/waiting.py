"""The calls that wait for one model version, and which of them leave with the next batch."""

from itertools import count

from gateway.batching.call import Batch, Kind, WaitingCall
from gateway.batching.turns import Turns
from gateway.types import Priority

# A batch grows no further than this by joining calls: each join copies, and large tensors gain nothing by company.
MOST_JOINED_BYTES = 8 * 1024 * 1024

# Tenants take turns of a sixteenth of a batch.
TURNS_OF_A_BATCH = 16

# Part of the rows that leave which each class has a right to while classes above it would take everything.
SHARES = (0.0, 0.2, 0.1)


class WaitingCalls:
    """The calls that wait for one model version.

    Args:
        max_batch_size: Most rows of one batch that the model takes.
        patience_seconds: Calls without deadline stand as if they had one after this time.

    Attributes:
        most_rows: Most rows of one batch now.
        alone: Whether every call is a batch of its own.
        in_order: Whether calls of a tenant leave as they came, whatever their deadlines.
        rows: Rows that wait.
        size: Bytes that wait.
    """

    def __init__(self, max_batch_size: int, patience_seconds: float) -> None:
        self.most_rows = max_batch_size
        self.alone = not max_batch_size
        self.in_order = True
        self.rows = 0
        self.size = 0
        self._calls = 0
        self._patience_seconds = patience_seconds
        self._numbers = count()
        quantum = max(max_batch_size // TURNS_OF_A_BATCH, 1)
        self._classes = tuple(Turns(quantum) for _ in Priority)

    def __len__(self) -> int:
        return self._calls

    def add(self, call: WaitingCall, now: float) -> None:
        """Lets a call wait, from now on by the event loop's clock."""
        call.place, call.waits = self._place_of(call, now), True
        self._classes[call.priority].add(call)
        self._calls += 1
        self.rows += call.inputs.rows
        self.size += call.size

    def remove(self, call: WaitingCall) -> None:
        """Lets go of a call that waits."""
        self._classes[call.priority].remove(call)
        self._forget(call)

    def held_by(self, tenant: str) -> tuple[int, int]:
        """Returns rows and bytes of a tenant that wait."""
        lines = [line for turns in self._classes if (line := turns.line(tenant))]
        return sum(line.rows for line in lines), sum(line.size for line in lines)

    @property
    def mostly_urgent(self) -> bool:
        """Says whether most of what waits is of the highest class."""
        return 2 * self._classes[Priority.HIGH].rows > self.rows

    def rows_before(self, call: WaitingCall, now: float) -> float:
        """Estimates the rows that leave before a call that comes now, by the event loop's clock."""
        own = self._classes[call.priority].rows_before(call, self._place_of(call, now))
        above = sum(turns.rows for turns in self._classes[: call.priority])
        share = SHARES[call.priority]
        return min(own + above, (own + call.inputs.rows) / share) if share else own + above

    def take_batch(self, now: float, answered_at: float) -> tuple[Batch | None, list[WaitingCall]]:
        """Takes the calls of the next batch, and those that it could not answer before their deadline.

        Nobody is left out for what a batch is expected to take before at least one has gone: what is expected may be
        wrong, and is learnt from batches alone.

        Args:
            now: The event loop's clock.
            answered_at: When a batch of `most_rows` that is sent now is expected to be answered.
        """
        if self._fits_one_batch():
            return self._take_all(now)
        calls: list[WaitingCall] = []
        late: list[WaitingCall] = []
        rows = size = 0
        kind: Kind | None = None
        too_soon = answered_at if self.rows > self.most_rows else now
        while (call := self._next(kind)) is not None:
            if call.outputs.done():
                self.remove(call)
                continue
            if call.is_late(too_soon if calls else now):
                self.remove(call)
                late.append(call)
                continue
            rows, size = rows + call.inputs.rows, size + call.size
            if calls and (self.alone or rows > self.most_rows or size > MOST_JOINED_BYTES):
                break
            self._send(call)
            calls.append(call)
            kind = call.kind
        return (Batch(calls) if calls else None), late

    def _fits_one_batch(self) -> bool:
        if self.alone or self.rows > self.most_rows or self.size > MOST_JOINED_BYTES:
            return False
        return len({kind for turns in self._classes for line in turns.lines for kind in line.kinds}) == 1

    def _take_all(self, now: float) -> tuple[Batch | None, list[WaitingCall]]:
        waiting = [call for turns in self._classes for line in turns.lines for *_, call in line.calls]
        for call in waiting:
            call.waits = False
        for turns in self._classes:
            turns.clear()
        self._calls = self.rows = self.size = 0
        awaited = [call for call in waiting if not call.outputs.done()]
        late = [call for call in awaited if call.is_late(now)]
        calls = [call for call in awaited if not call.is_late(now)] if late else awaited
        return (Batch(calls) if calls else None), late

    def _place_of(self, call: WaitingCall, now: float) -> tuple[float, int]:
        """Returns the place that a call gets if it comes now: by its deadline, and then as it came."""
        if self.in_order:
            return 0.0, next(self._numbers)
        return (now + self._patience_seconds if call.deadline is None else call.deadline), next(self._numbers)

    def _next(self, kind: Kind | None) -> WaitingCall | None:
        """Returns the call that goes next, of a kind or of any: what a lower class is owed, then the highest class."""
        for turns in self._classes:
            if turns.rows == self.rows:  # no other class waits
                return turns.next(kind)
        for turns in reversed(self._classes):
            if turns.owed >= 1 and (call := turns.next(kind)) and turns.owed >= call.inputs.rows:
                return call
        return next((call for turns in self._classes if (call := turns.next(kind))), None)

    def _send(self, call: WaitingCall) -> None:
        turns = self._classes[call.priority]
        if turns.rows != self.rows:
            for each, share in zip(self._classes, SHARES, strict=True):
                each.owed += call.inputs.rows * share if each.rows else 0.0
            turns.owed = max(turns.owed - call.inputs.rows, 0.0)
        turns.send(call)
        self._forget(call)

    def _forget(self, call: WaitingCall) -> None:
        call.waits = False
        self._calls -= 1
        self.rows -= call.inputs.rows
        self.size -= call.size
