"""Takes traces that are kept, at no more than a budget, and writes them down in a thread of its own."""

import json
from collections import deque
from collections.abc import Callable
from threading import Event, Thread
from time import perf_counter, sleep, time_ns

import structlog

from gateway.telemetry.exemplars import Exemplars
from gateway.telemetry.families import DROPPED, KEPT
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.records import NS, Kept, Record, record_batch, record_call
from gateway.telemetry.spool import Spool
from gateway.telemetry.words import SERVER_ERRORS
from gateway.traces import BatchTrace, CallTrace

log = structlog.get_logger(__name__)

# In overload every call is slow: so many are kept at once, and so many a second from then on.
MOST_AT_ONCE, A_SECOND = 20_000, 1_000
LOOK_SECONDS = 0.25
END_SECONDS = 2.0

# Calls that are told of before the interpreter is given back to those that answer.
A_TURN = 4


class Keeper:
    """Keeps traces.

    Args:
        instruments: Count them.
        worker: Name of the process.
        spool: Where they are written, if there is a place.
        exemplars: Take those of calls.
        offer: Takes each record for export, if there is one.
    """

    def __init__(
        self,
        instruments: Instruments,
        worker: str,
        spool: Spool | None,
        exemplars: Exemplars,
        offer: Callable[[Record], None] | None,
    ) -> None:
        self._kept: deque[Kept | BatchTrace] = deque()
        self._left, self._counted = float(MOST_AT_ONCE), perf_counter()
        self._worker = worker
        self._spool = spool
        self._exemplars = exemplars
        self._offer = offer
        self._counts = {why: instruments.counter(KEPT, why) for why in ("error", "slow", "asked", "head")}
        self._dropped = instruments.counter(DROPPED, "budget")
        self._ending = Event()
        self._thread = Thread(target=self._run, name="traces", daemon=True)

    def start(self) -> None:
        """Writes from now on."""
        self._thread.start()

    def keep(self, trace: CallTrace, *, slow: bool) -> None:
        """Keeps a call that has ended, if the budget allows."""
        now = perf_counter()
        self._left = min(self._left + (now - self._counted) * A_SECOND, MOST_AT_ONCE)
        self._counted = now
        if self._left < 1 or len(self._kept) >= MOST_AT_ONCE:
            self._dropped.add()
            return
        self._left -= 1
        why = "error" if trace.code in SERVER_ERRORS else "slow" if slow else "asked" if trace.parent else "head"
        self._counts[why].add()
        for batch in trace.batches:
            batch.kept.append(trace)
        self._kept.append(Kept(trace, why))

    def keep_batch(self, batch: BatchTrace) -> None:
        """Keeps a batch of which calls are kept."""
        self._kept.append(batch)

    def close(self) -> None:
        """Writes what is kept, and ends."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(END_SECONDS)

    def _run(self) -> None:
        ended = False
        while not ended:
            ended = self._ending.wait(LOOK_SECONDS)
            self._write_all()
        if self._spool is not None:
            self._spool.close()

    def _write_all(self) -> None:
        """Writes what is there."""
        epoch_ns = time_ns() - round(perf_counter() * NS)
        while self._kept:
            turn = [self._kept.popleft() for _ in range(min(A_TURN, len(self._kept)))]
            for each in turn:
                self._write(each, epoch_ns)
            sleep(0)
        if self._spool is not None:
            self._spool.flush()

    def _write(self, kept: Kept | BatchTrace, epoch_ns: int) -> None:
        """Writes a call or a batch; whatever goes wrong with one costs no other."""
        try:
            if isinstance(kept, Kept):
                record = record_call(kept, self._worker, epoch_ns)
                self._exemplars.take(record)
            else:
                record = record_batch(kept, self._worker, epoch_ns, perf_counter())
            if self._spool is not None:
                self._spool.write(json.dumps(record, separators=(",", ":")))
            if self._offer is not None:
                self._offer(record)
        except Exception:
            log.exception("trace lost")
