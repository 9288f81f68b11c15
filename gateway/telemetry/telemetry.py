"""Begins and ends the notes of a call: counts it exactly, and decides whether its trace is kept."""

from collections.abc import Callable
from random import random
from time import perf_counter
from typing import NamedTuple

from gateway.errors import GatewayError
from gateway.telemetry.families import (
    BACKEND,
    BATCH_ROWS,
    CALL_ROWS,
    CALLS,
    ERRORS,
    FEATURES,
    QUEUE,
    RETRIED,
    TRIES,
)
from gateway.telemetry.instruments import OTHER, Counter, Histogram, Instruments
from gateway.telemetry.keeping import Keeper
from gateway.telemetry.words import CODES, SERVER_ERRORS, service_and_method
from gateway.traces import BatchTrace, CallTrace
from gateway.types import ModelVersion

OK = 0

# Objects of versions and series that are known by heart; they are found again when there are more.
MOST_KNOWN = 8_192

SAMPLED = frozenset("13579bdfBDF")

SeriesKey = tuple[str, str, ModelVersion | None, str]
BatchKey = tuple[ModelVersion, str, str]


class CallSeries(NamedTuple):
    """The instruments of calls that share tenant, method, version and arm.

    Attributes:
        labels: Of all of them.
        slow_seconds: From when on such a call is slow.
        codes: Durations, by the number of the code.
        queue: Time in the lane.
        features: Time for stored features.
        backend: Time of batches.
        rows: Rows.
    """

    labels: tuple[str, ...]
    slow_seconds: float
    codes: dict[int, Histogram]
    queue: Histogram
    features: Histogram
    backend: Histogram
    rows: Counter


class Telemetry:
    """What is known of calls.

    Args:
        instruments: Count them.
        keeper: Takes what is kept.
        head_ratio: Share of calls, of those whose callers say nothing of it, that are chosen when they come.
        slow_seconds: Calls that take longer are kept.
        is_served: Says whether a path is one of a method; others are counted together, whatever callers invent.
    """

    def __init__(
        self,
        instruments: Instruments,
        keeper: Keeper,
        head_ratio: float,
        slow_seconds: Callable[[str], float],
        is_served: Callable[[str], bool],
    ) -> None:
        self._instruments = instruments
        self._keeper = keeper
        self._head_ratio = head_ratio
        self._slow_seconds = slow_seconds
        self._is_served = is_served
        self._calls: dict[SeriesKey, CallSeries] = {}
        self._batches: dict[ModelVersion, Histogram] = {}

    def begin(self, path: str, received: float, parent: str | None = None, state: str | None = None) -> CallTrace:
        """Begins to note a call.

        Args:
            path: `/package.Service/Method`.
            received: When it came, by `perf_counter`.
            parent: Its `traceparent`: https://www.w3.org/TR/trace-context/
            state: Its `tracestate`.
        """
        trace = CallTrace(path, received)
        if parent:
            trace.parent, trace.state = parent, state or ""
            trace.chosen = parent[-1] in SAMPLED
        else:
            trace.chosen = random() < self._head_ratio  # noqa: S311 - no secret
        trace.begun = perf_counter()
        return trace

    def end(self, trace: CallTrace, code: int = OK, error: BaseException | None = None) -> None:
        """Counts a call that has its answer or its error, and keeps its trace if somebody will want to see it.

        Args:
            trace: What was noted.
            code: Number of its gRPC code.
            error: What it ended with.
        """
        trace.ended = perf_counter()
        trace.code = code
        seconds = trace.ended - trace.received
        key = (trace.tenant, trace.path, trace.version, trace.arm)
        series = self._calls.get(key) or self._learn(key)
        duration = series.codes.get(code) or self._learn_code(series, code)
        duration.observe(seconds)
        if trace.fetched:
            series.features.observe(trace.fetched - (trace.routed or trace.received))
        if trace.encoded:
            series.rows.add(trace.rows)
        if code:
            self._note_error(trace, series, error)
        if seconds > series.slow_seconds or trace.chosen or code in SERVER_ERRORS:
            self._keeper.keep(trace, slow=seconds > series.slow_seconds)
        if trace.batches:
            self._leave(trace, series)

    def _leave(self, trace: CallTrace, series: CallSeries) -> None:
        """Counts what a call has to do with its batches; the last call of one counts the batch."""
        batches = trace.batches
        first, last = batches[0], batches[-1]
        series.queue.observe(first.started - trace.encoded)
        if last.ended:
            series.backend.observe(last.ended - first.started)
        for batch in batches:
            batch.open -= 1
            if not batch.open:
                self._finish(batch)

    def _finish(self, batch: BatchTrace) -> None:
        """Counts a batch whose calls have all ended."""
        sizes = self._batches.get(batch.version)
        if sizes is None:
            model, number = batch.version.model, str(batch.version.number)
            forget_many(self._batches)
            sizes = self._batches[batch.version] = self._instruments.histogram(BATCH_ROWS, model, number)
        sizes.observe(batch.rows)
        if batch.tries:
            self._count_tries(batch)
        if batch.kept:
            self._keeper.keep_batch(batch)

    def _count_tries(self, batch: BatchTrace) -> None:
        version = (batch.version.model, str(batch.version.number))
        for each in batch.tries:
            outcome = "fault" if each.fault else "answered" if each.ended else "left"
            self._instruments.counter(TRIES, each.node, *version, outcome).add()
        if len(batch.tries) > 1:
            self._instruments.counter(RETRIED, *version).add(len(batch.tries) - 1)

    def _note_error(self, trace: CallTrace, series: CallSeries, error: BaseException | None) -> None:
        if isinstance(error, GatewayError):
            trace.reason, trace.message = error.reason, error.message
        tenant, service, _, model, *_ = series.labels
        self._instruments.counter(ERRORS, tenant, service, model, CODES[trace.code], trace.reason).add()

    def _learn(self, key: SeriesKey) -> CallSeries:
        """Finds the instruments of calls that are the first of their kind, and the bound of their method."""
        tenant, path, version, arm = key
        forget_many(self._calls)
        service, method = service_and_method(path) if self._is_served(path) else (OTHER, OTHER)
        model, number = (version.model, str(version.number)) if version else ("", "")
        labels = (tenant, service, method, model, number, arm)
        make = self._instruments.histogram
        rows = self._instruments.counter(CALL_ROWS, *labels)
        queue, features, backend = (make(family, *labels) for family in (QUEUE, FEATURES, BACKEND))
        found = self._calls[key] = CallSeries(labels, self._slow_seconds(path), {}, queue, features, backend, rows)
        return found

    def _learn_code(self, series: CallSeries, code: int) -> Histogram:
        made = series.codes[code] = self._instruments.histogram(CALLS, *series.labels, CODES[code])
        return made


def forget_many(known: dict) -> None:  # type: ignore[type-arg] # whatever it holds
    """Empties what has grown too large; the instruments go on where they were."""
    if len(known) >= MOST_KNOWN:
        known.clear()
