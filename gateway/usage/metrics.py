"""Answers Prometheus: any process of a machine tells the usage of all of them, since it reads everybody's files."""

import re
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from threading import BoundedSemaphore, Lock, Thread
from typing import Any

import structlog

from gateway.errors import ConfigurationError
from gateway.usage.exposition import CONTENT_TYPE, expose
from gateway.usage.totals import Totals

PATH = "/metrics"
MOST_CONNECTIONS = 16
IDLE_SECONDS = 10
POLL_SECONDS = 0.1
MOST_PORT = 65_535

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]\s]+)):(?P<port>\d{1,5})")

log = structlog.get_logger(__name__)


class UsageMetrics:
    """The text that Prometheus reads; one thread at a time makes it.

    Args:
        folder: Folder of usage files.
    """

    def __init__(self, folder: Path) -> None:
        self._totals = Totals(folder)
        self._lock = Lock()

    def text(self) -> bytes:
        """Returns the metrics of now.

        Raises:
            OSError: The folder cannot be read.
        """
        with self._lock:
            return "".join(expose(self._totals.take())).encode()


class MetricsServer:
    """Serves `GET /metrics` in a thread of its own. All processes of a machine may have the same address.

    Args:
        address: `host:port` or `[IPv6]:port`; port 0 takes a free one.
        folder: Folder of usage files.

    Raises:
        ConfigurationError: The address is not valid.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self._address = parse_address(address)
        self._metrics = UsageMetrics(folder)
        self._server: _Server | None = None
        self._thread: Thread | None = None

    def start(self) -> str:
        """Listens; returns the bound address.

        Raises:
            ConfigurationError: The address cannot be used.
        """
        host, port = self._address
        try:
            self._server = _Server(host, port, self._metrics)
        except OSError as error:
            raise ConfigurationError(
                f"GAPURA_METRICS_LISTEN: cannot listen on {host}:{port}: {error.strerror or error}"
            ) from error
        self._thread = Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name="metrics", daemon=True)
        self._thread.start()
        return f"[{host}]:{self._server.server_port}" if ":" in host else f"{host}:{self._server.server_port}"

    def stop(self) -> None:
        """Ends within a tenth of a second; answers under way are not awaited."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None


class _Server(ThreadingHTTPServer):
    """Answers each connection in a thread, and closes those that are too many."""

    allow_reuse_port = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, metrics: UsageMetrics) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.metrics = metrics
        self._free = BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Binds without asking the resolver for the name of the host, as HTTPServer does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Starts a thread for a connection, if there may be another."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's interface
        """Logs faults of ours; callers leave as they like."""
        fault = sys.exception()
        if not isinstance(fault, OSError):
            log.error("unexpected error", exc_info=fault)


class _Handler(BaseHTTPRequestHandler):
    """Answers a request."""

    server: _Server
    timeout = IDLE_SECONDS
    server_version, sys_version = "gapura", ""

    def do_GET(self) -> None:
        """Answers with the metrics."""
        content = self._answer()
        self.wfile.write(content)

    def do_HEAD(self) -> None:
        """Answers without them."""
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's interface
        """Logs nothing."""

    def _answer(self) -> bytes:
        """Sends the head; returns what is to follow."""
        if self.path.partition("?")[0] != PATH:
            status, content = HTTPStatus.NOT_FOUND, f"metrics are at {PATH}\n".encode()
        else:
            status, content = self._metrics()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE if status is HTTPStatus.OK else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return content

    def _metrics(self) -> tuple[HTTPStatus, bytes]:
        """Returns the metrics, or what keeps them from being told."""
        try:
            return HTTPStatus.OK, self.server.metrics.text()
        except OSError as error:
            log.error("usage cannot be read", reason=str(error))
            return HTTPStatus.INTERNAL_SERVER_ERROR, b"usage cannot be read\n"


def parse_address(address: str) -> tuple[str, int]:
    """Returns host and port.

    Raises:
        ConfigurationError: It is no address.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) > MOST_PORT:
        raise ConfigurationError(
            f"GAPURA_METRICS_LISTEN: '{address}' is no address; write host:port, such as 127.0.0.1:9100"
        )
    return found["six"] or found["host"], int(found["port"])
