"""The waiting calls of one tenant in one class."""

from bisect import bisect_left, insort
from collections.abc import Collection

from gateway.batching.call import Kind, WaitingCall

Entry = tuple[float, int, WaitingCall]


class Line:
    """The waiting calls of one tenant in one class, for each kind in the order of their places.

    Args:
        tenant: Name of the tenant.

    Attributes:
        rows: Rows that wait.
        size: Bytes that wait.
        credit: Rows that it may still send before others have their turn.
        calls: Its calls, sorted by place.
    """

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.rows = 0
        self.size = 0
        self.credit = 0
        self.calls: list[Entry] = []
        self._kinds: dict[Kind, list[Entry]] = {}

    @property
    def kinds(self) -> Collection[Kind]:
        """Returns the kinds of its calls."""
        return self._kinds.keys()

    def add(self, call: WaitingCall) -> None:
        """Takes in a call that has a place."""
        entry = (*call.place, call)
        put_in(self.calls, entry)
        put_in(self._kinds.setdefault(call.kind, []), entry)
        self.rows += call.inputs.rows
        self.size += call.size

    def remove(self, call: WaitingCall) -> None:
        """Lets go of a call."""
        queue = self._kinds[call.kind]
        cut_out(queue, call)
        if not queue:
            del self._kinds[call.kind]
        cut_out(self.calls, call)
        self.rows -= call.inputs.rows
        self.size -= call.size

    def head(self, kind: Kind | None) -> WaitingCall | None:
        """Returns the first call of a kind, or of any."""
        queue = self.calls if kind is None else self._kinds.get(kind)
        return queue[0][2] if queue else None

    def rows_before(self, place: tuple[float, int]) -> float:
        """Estimates the rows that go before a place: calls before it, times the rows of a call on average."""
        return bisect_left(self.calls, place) * self.rows / len(self.calls)  # a shorter tuple sorts first


def put_in(queue: list[Entry], entry: Entry) -> None:
    """Puts a call where it belongs in a sorted list: mostly at the end."""
    if not queue or queue[-1] < entry:
        queue.append(entry)
    else:
        insort(queue, entry)


def cut_out(queue: list[Entry], call: WaitingCall) -> None:
    """Takes a call out of a sorted list."""
    del queue[0 if queue[0][2] is call else bisect_left(queue, (*call.place, call))]
