"""The waiting calls of one class: tenants take turns."""

from collections import deque
from collections.abc import Collection

from gateway.batching.call import Kind, WaitingCall
from gateway.batching.line import Line


class Turns:
    """The lines of one class, by deficit round robin.

    Each line has a credit of rows. One that has used it up gets a quantum more and lets the others go first, so that
    tenants who wait at the same time get the same rows, whatever the number and size of their calls.
    Source: Shreedhar and Varghese, "Efficient Fair Queuing Using Deficit Round-Robin", 1996.

    Args:
        quantum: Rows that a line may send in one turn.

    Attributes:
        rows: Rows that wait.
        owed: Rows that the class has a right to before classes above it.
    """

    def __init__(self, quantum: int) -> None:
        self.rows = 0
        self.owed = 0.0
        self._quantum = quantum
        self._lines: dict[str, Line] = {}
        self._ring: deque[Line] = deque()

    @property
    def lines(self) -> Collection[Line]:
        """Returns the lines of all tenants whose calls wait."""
        return self._lines.values()

    def clear(self) -> None:
        """Lets go of every call."""
        self.rows, self.owed = 0, 0.0
        self._lines.clear()
        self._ring.clear()

    def line(self, tenant: str) -> Line | None:
        """Returns a tenant's line, if any of its calls wait."""
        return self._lines.get(tenant)

    def add(self, call: WaitingCall) -> None:
        """Takes in a call that has a place."""
        line = self._lines.get(call.tenant)
        if line is None:
            line = self._lines[call.tenant] = Line(call.tenant)
            self._ring.append(line)
        line.add(call)
        self.rows += call.inputs.rows

    def next(self, kind: Kind | None) -> WaitingCall | None:
        """Returns the call whose turn it is, of a kind or of any; it waits on."""
        others = len(self._ring)
        while others:
            line = self._ring[0]
            call = line.head(kind)
            if call is not None and (line.credit >= call.inputs.rows or len(self._ring) == 1):
                return call
            self._ring.rotate(-1)
            if call is None:
                others -= 1
            else:
                line.credit += self._quantum
                others = len(self._ring)
        return None

    def send(self, call: WaitingCall) -> None:
        """Lets go of a call that leaves with a batch: it uses its tenant's credit."""
        line = self._lines[call.tenant]
        line.credit = max(line.credit - call.inputs.rows, 0)
        self.remove(call)

    def remove(self, call: WaitingCall) -> None:
        """Lets go of a call."""
        line = self._lines[call.tenant]
        line.remove(call)
        self.rows -= call.inputs.rows
        if not line.rows:
            del self._lines[line.tenant]
            self._ring.remove(line)
        if not self._ring:
            self.owed = 0.0

    def rows_before(self, call: WaitingCall, place: tuple[float, int]) -> float:
        """Estimates the rows of this class that leave before a call that would get a place."""
        line = self._lines.get(call.tenant)
        own = line.rows_before(place) if line else 0.0
        others = len(self._ring) - (line is not None)
        return own + min(self.rows - (line.rows if line else 0), others * (own + call.inputs.rows))
