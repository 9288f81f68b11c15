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
        self._kinds: dict[Kind, list[Entry]] = {}  # once they are of several

    @property
    def kinds(self) -> Collection[Kind]:
        """Returns the kinds of its calls, of which there are some."""
        return self._kinds.keys() or (self.calls[0][2].kind,)

    def add(self, call: WaitingCall) -> None:
        """Takes in a call that has a place."""
        if not self._kinds and self.calls and self.calls[0][2].kind != call.kind:
            self._part()
        entry = (*call.place, call)
        put_in(self.calls, entry)
        if self._kinds:
            put_in(self._kinds.setdefault(call.kind, []), entry)
        self.rows += call.inputs.rows
        self.size += call.size

    def remove(self, call: WaitingCall) -> None:
        """Lets go of a call."""
        cut_out(self.calls, call)
        if self._kinds:
            queue = self._kinds[call.kind]
            cut_out(queue, call)
            if not queue:
                del self._kinds[call.kind]
        self.rows -= call.inputs.rows
        self.size -= call.size

    def head(self, kind: Kind | None) -> WaitingCall | None:
        """Returns the first call of a kind, or of any."""
        queue = self._kinds.get(kind) if self._kinds and kind is not None else self.calls
        return queue[0][2] if queue and (kind is None or queue[0][2].kind == kind) else None

    def rows_before(self, place: tuple[float, int]) -> float:
        """Estimates the rows that go before a place: calls before it, times the rows of a call on average."""
        return bisect_left(self.calls, place) * self.rows / len(self.calls)  # a shorter tuple sorts first

    def _part(self) -> None:
        """Sorts its calls by their kinds."""
        for entry in self.calls:
            self._kinds.setdefault(entry[2].kind, []).append(entry)


def put_in(queue: list[Entry], entry: Entry) -> None:
    """Puts a call where it belongs in a sorted list: mostly at the end."""
    if not queue or queue[-1] < entry:
        queue.append(entry)
    else:
        insort(queue, entry)


def cut_out(queue: list[Entry], call: WaitingCall) -> None:
    """Takes a call out of a sorted list."""
    del queue[0 if queue[0][2] is call else bisect_left(queue, (*call.place, call))]
