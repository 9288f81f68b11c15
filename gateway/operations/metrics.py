"""Answers Prometheus: any process of a machine tells what all of them counted, since it reads everybody's files."""

import re
from http import HTTPStatus
from pathlib import Path
from threading import Lock

import structlog

from gateway.operations.exposition import OPENMETRICS, PROMETHEUS, Exposition
from gateway.operations.http import Answer, HttpServer, Request, tell
from gateway.operations.states import read_states
from gateway.telemetry.exemplars import Exemplar
from gateway.telemetry.reading import SheetReader
from gateway.usage.exposition import expose
from gateway.usage.totals import Totals

PATH = "/metrics"
SETTING = "GAPURA_METRICS_LISTEN"
END = "# EOF\n"

_QUALITY = re.compile(r";\s*q=([\d.]+)")

log = structlog.get_logger(__name__)


class Metrics:
    """The text that Prometheus reads; one thread at a time makes it.

    Args:
        usage: Folder of usage files.
        telemetry: Telemetry folder.
    """

    def __init__(self, usage: Path, telemetry: Path) -> None:
        self._totals = Totals(usage)
        self._telemetry = telemetry
        self._sheets = SheetReader(telemetry)
        self._exposition = Exposition()
        self._lock = Lock()

    def text(self, *, openmetrics: bool = False) -> bytes:
        """Returns the metrics of now; in OpenMetrics with exemplars.

        Raises:
            OSError: The folder of usage files cannot be read.
        """
        with self._lock:
            exemplars: list[Exemplar] = []
            if openmetrics:
                exemplars = [each for state in read_states(self._telemetry) for each in state.exemplars]
            snapshot = self._sheets.take()
            pieces = [*self._exposition.write(snapshot, exemplars, openmetrics=openmetrics)]
            pieces += expose(self._totals.take(), openmetrics=openmetrics)
            return "".join([*pieces, END] if openmetrics else pieces).encode()

    def answer(self, request: Request) -> Answer:
        """Answers with the metrics, or with what keeps them from being told."""
        if request.path != PATH:
            return tell(HTTPStatus.NOT_FOUND, f"metrics are at {PATH}")
        if request.method != "GET":
            return tell(HTTPStatus.METHOD_NOT_ALLOWED, "metrics are read")
        openmetrics = prefers_openmetrics(request.headers.get("accept", ""))
        try:
            content = self.text(openmetrics=openmetrics)
        except OSError as error:
            log.error("usage cannot be read", reason=str(error))
            return tell(HTTPStatus.INTERNAL_SERVER_ERROR, "usage cannot be read")
        return Answer(HTTPStatus.OK, content, OPENMETRICS if openmetrics else PROMETHEUS, {"Vary": "Accept"})


class MetricsServer(HttpServer):
    """Serves `GET /metrics`. All processes of a machine may have the same address.

    Args:
        address: `host:port` or `[IPv6]:port`; port 0 takes a free one.
        usage: Folder of usage files.
        telemetry: Telemetry folder.

    Raises:
        ConfigurationError: The address is not valid.
    """

    def __init__(self, address: str, usage: Path, telemetry: Path) -> None:
        super().__init__(address, SETTING, Metrics(usage, telemetry).answer, shared=True)


def prefers_openmetrics(accept: str) -> bool:
    """Says whether an `Accept` header asks for OpenMetrics at least as much as for plain text."""
    wanted = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind in wanted:
            wanted[kind] = max(wanted[kind], quality_of(part))
    return wanted["application/openmetrics-text"] > 0 and wanted["application/openmetrics-text"] >= wanted["text/plain"]


def quality_of(part: str) -> float:
    """Returns how much one kind of content is wanted: 1 unless it says otherwise."""
    found = _QUALITY.search(part)
    try:
        return float(found[1]) if found else 1.0
    except ValueError:
        return 0.0
