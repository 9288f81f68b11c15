"""The exporter: takes kept records without ever waiting, and sends them and the metrics from a thread of its own.

Whatever the collector does, that thread alone waits for it; what there is no room for is dropped and counted.
"""

from collections import deque
from collections.abc import Callable, Iterable
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from gateway.telemetry.exemplars import Exemplar
from gateway.telemetry.export.variables import Wanted, read_variables
from gateway.telemetry.layout import Identity, Series
from gateway.telemetry.records import Record

if TYPE_CHECKING:
    from gateway.telemetry.export.sending import Sender

LOOK_SECONDS = 1.0
PAUSE_SECONDS = 5.0  # after a failure
FLUSH_SHARE = 0.8  # of the time to end in; the rest is for giving up what is under way

# Of one request: enough that few are needed, and so few that the SDK copies them in a quarter of a millisecond.
MOST_SPANS_SENT = 64

log = structlog.get_logger(__name__)


class Exporter:
    """Exports.

    Args:
        wanted: What, and how.
        make: Makes the sender; the thread calls it.
        read_series: Reads the series of the process.
        exemplars: Returns the latest exemplars.
        dropped: Counts traces that are not exported; the thread calls it, and `close` when the thread does no more.
    """

    def __init__(
        self,
        wanted: Wanted,
        make: Callable[[], "Sender"],
        read_series: Callable[[], Iterable[Series]],
        exemplars: Callable[[], Iterable[Exemplar]],
        dropped: Callable[[int], None],
    ) -> None:
        self._wanted = wanted
        self._make = make
        self._read_series = read_series
        self._exemplars = exemplars
        self._dropped = dropped
        self._queue: deque[tuple[int, Record]] = deque()
        self._offered, self._taken = Load(), Load()  # each is written by one thread alone
        self._refused = self._told = 0  # as above
        self._sender: Sender | None = None
        self._problems: dict[str, str] = {}
        self._metrics_due = monotonic() + wanted.metric_seconds
        self._until = float("inf")
        self._ending, self._left = Event(), Event()
        self._thread = Thread(target=self._run, name="export", daemon=True)

    def start(self) -> None:
        """Exports from now on."""
        self._thread.start()

    def offer(self, record: Record) -> None:
        """Takes a record, or drops it if there is no room. Never waits; one thread offers."""
        if not self._wanted.traces:
            return
        spans = 1 + len(record.get("stages", ())) + len(record.get("tries", ()))
        if self._offered.spans - self._taken.spans + spans > self._wanted.most_spans or self._ending.is_set():
            self._refused += 1
            return
        self._offered.add(1, spans)
        self._queue.append((spans, record))

    def close(self, seconds: float) -> None:
        """Sends what is left, within that time; what cannot be sent is dropped."""
        self._until = monotonic() + seconds * FLUSH_SHARE
        self._ending.set()
        self._thread.join(seconds * FLUSH_SHARE)
        if self._thread.is_alive() and self._sender is not None:
            self._sender.close()
            self._thread.join(seconds * (1 - FLUSH_SHARE))
        self._left.set()
        self._drop(self._offered.records - self._taken.records)

    def _run(self) -> None:
        """Sends, until it is told to end."""
        pause = LOOK_SECONDS
        while not self._ending.wait(pause):
            pause = LOOK_SECONDS if self._send_all() else PAUSE_SECONDS
        self._metrics_due = 0.0
        self._send_all()
        if self._sender is not None:
            self._sender.close()

    def _send_all(self) -> bool:
        """Sends the metrics if it is time for them, and all records; returns whether that went well."""
        well = self._sender is not None or self._try("telemetry", self._begin)
        if well and self._metrics_due <= monotonic() < self._until:
            self._metrics_due = monotonic() + self._wanted.metric_seconds
            well = self._try("metrics", self._send_metrics)
        while well and self._queue and monotonic() < self._until:
            taken = self._take()
            well = self._try("traces", lambda taken=taken: self._send_records(taken))  # type: ignore[misc]
            self._settle(taken, well)
        self._settle([], well)
        return well

    def _settle(self, taken: list[tuple[int, Record]], sent: bool) -> None:  # noqa: FBT001 - called twice, above
        """Counts what became of records, unless `close` has done it."""
        if not self._left.is_set():
            self._taken.add(len(taken), sum(spans for spans, _ in taken))
            self._drop(0 if sent else len(taken))

    def _take(self) -> list[tuple[int, Record]]:
        """Takes as many records as one request may have, but one at least."""
        taken = [self._queue.popleft()]
        spans = taken[0][0]
        while self._queue and spans + self._queue[0][0] <= MOST_SPANS_SENT:
            taken.append(self._queue.popleft())
            spans += taken[-1][0]
        return taken

    def _begin(self) -> str:
        """Makes the sender."""
        self._sender = self._make()
        return ""

    def _send_metrics(self) -> str:
        return "" if self._sender is None else self._sender.send_metrics(self._read_series, self._exemplars)

    def _send_records(self, taken: list[tuple[int, Record]]) -> str:
        return "" if self._sender is None else self._sender.send_records([record for _, record in taken])

    def _try(self, what: str, send: Callable[[], str]) -> bool:
        """Sends something; tells when that does not work any more, and when it does again: once each."""
        try:
            problem = send()
        except Exception as error:  # noqa: BLE001 - the SDK may raise anything, and the thread has to go on
            problem = repr(error)
        if bool(problem) != bool(self._problems.get(what)) and not self._ending.is_set():
            if problem:
                log.error("export does not work", what=what, reason=problem)
            else:
                log.info("export works again", what=what)
        self._problems[what] = problem
        return not problem

    def _drop(self, records: int) -> None:
        """Counts records that are dropped: these, and those that were refused since the last time."""
        refused = self._refused
        count, self._told = records + refused - self._told, refused
        if count:
            self._dropped(count)


class Load:
    """Counts records and their spans."""

    __slots__ = ("records", "spans")

    def __init__(self) -> None:
        self.records = self.spans = 0

    def add(self, records: int, spans: int) -> None:
        """Counts more."""
        self.records += records
        self.spans += spans


def open_exporter(  # noqa: PLR0913 - what an exporter needs to know
    identity: Identity,
    version: str,
    read_series: Callable[[], Iterable[Series]],
    exemplars: Callable[[], Iterable[Exemplar]],
    dropped: Callable[[int], None],
    *,
    address: str = "",
    paced: bool = True,
) -> Exporter | None:
    """Makes an exporter and starts it, if a variable of OpenTelemetry names an endpoint.

    Args:
        identity: Whose series they are.
        version: Of the gateway.
        read_series: Reads the series of the process.
        exemplars: Returns the latest exemplars.
        dropped: Counts traces that are not exported; only one thread at a time calls it.
        address: Where the process listens, `host:port`.
        paced: Whether others use the interpreter too.

    Raises:
        ConfigurationError: A variable is not valid, or what it asks for is not installed.
    """
    wanted = read_variables()
    if wanted is None:
        return None

    def make() -> "Sender":
        from gateway.telemetry.export.sending import Sender  # noqa: PLC0415 - it takes long, and needs an extra

        return Sender(identity, version, address, wanted, paced=paced)

    exporter = Exporter(wanted, make, read_series, exemplars, dropped)
    exporter.start()
    return exporter
