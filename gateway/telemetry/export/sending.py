"""Sends to the collector with the SDK's exporters. Importing this takes a third of a second: only the thread does."""

import logging
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from time import time_ns
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway.telemetry.exemplars import Exemplar
from gateway.telemetry.export.metrics import Metrics
from gateway.telemetry.export.pace import Pace, Paced
from gateway.telemetry.export.spans import Spans
from gateway.telemetry.export.variables import PACKAGES, Wanted
from gateway.telemetry.export.words import Attributes
from gateway.telemetry.layout import Identity, Series
from gateway.telemetry.records import Record


class Listener(logging.Handler):
    """Keeps what the SDK logs: its last word is the reason when something could not be sent.

    Attributes:
        last: The last of its warnings.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a message."""
        self.last = record.getMessage()


class Sender:
    """Sends; each method waits for its outcome, for no longer than `OTEL_EXPORTER_OTLP_TIMEOUT` (10 s) says.

    Args:
        identity: Whose series they are.
        version: Of the gateway.
        address: Where the process listens.
        wanted: What is to be sent, and how.
        paced: Whether others use the interpreter too.
    """

    def __init__(self, identity: Identity, version: str, address: str, wanted: Wanted, *, paced: bool = True) -> None:
        self._listener = listen()
        resource, scope = resource_of(identity, version), InstrumentationScope("gapura", version)
        self._pace = Pace(rests=paced)
        self._spans = Spans(resource, scope, address)
        self._metrics = Metrics(resource, scope, identity.since_ns, self._pace.over)
        self._span_exporter: SpanExporter | None = None
        self._metric_exporter: MetricExporter | None = None
        if wanted.traces:
            self._span_exporter = exporter_of(wanted.traces, "trace_exporter", "OTLPSpanExporter")
        if wanted.metrics:
            self._metric_exporter = exporter_of(wanted.metrics, "metric_exporter", "OTLPMetricExporter")

    def send_records(self, records: Sequence[Record]) -> str:
        """Sends the spans of records; returns why they could not be sent, or nothing."""
        if self._span_exporter is None:
            return ""
        spans: list[ReadableSpan] = []
        for record in self._pace.over(records):
            spans.extend(self._spans.of(record))
        result = self._span_exporter.export(Paced(spans, self._pace.over))
        return "" if result is SpanExportResult.SUCCESS else self._reason()

    def send_metrics(self, series: Callable[[], Iterable[Series]], exemplars: Callable[[], Iterable[Exemplar]]) -> str:
        """Sends series as they are now; returns why they could not be sent, or nothing."""
        if self._metric_exporter is None:
            return ""
        for message in self._metrics.of(series(), exemplars(), time_ns()):
            if self._metric_exporter.export(message) is not MetricExportResult.SUCCESS:
                return self._reason()
        return ""

    def close(self) -> None:
        """Gives up what is under way; any thread may do so."""
        for exporter in (self._span_exporter, self._metric_exporter):
            if exporter is not None:
                exporter.shutdown()

    def _reason(self) -> str:
        return self._listener.last or "the collector does not take it"


def listen() -> Listener:
    """Keeps what the SDK logs from standard error, where each batch that fails would be a line, and remembers it."""
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    listener = Listener()
    logger.handlers = [listener]
    return listener


def resource_of(identity: Identity, version: str) -> Resource:
    """Returns who tells: by default the gateway, by whatever name `OTEL_SERVICE_NAME` and its like give it."""
    by_default = Resource.create({"service.name": f"gapura-{identity.role}", "service.version": version})
    own: Attributes = {
        "service.instance.id": identity.instance,
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
        "erp.worker": f"{identity.role}-{identity.number}",
    }
    return by_default.merge(OTELResourceDetector().detect()).merge(Resource(own))


def exporter_of(protocol: str, module: str, name: str) -> Any:
    """Makes one of the SDK's exporters; it reads its variables itself."""
    return getattr(import_module(f"{PACKAGES[protocol]}.{module}"), name)()
