"""A small HTTP server in a thread of its own: few connections, one request each, a limit for everything."""

import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import BoundedSemaphore, Thread
from typing import Any
from urllib.parse import parse_qsl, unquote

import structlog

from gateway import addresses
from gateway.errors import ConfigurationError

IDLE_SECONDS = 10
POLL_SECONDS = 0.1
MOST_CONNECTIONS = 16
MOST_BODY = 1024
TEXT = "text/plain; charset=utf-8"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        method: `GET` or `PUT`; `GET` for `HEAD` too.
        path: Without the query, unquoted.
        query: Its parameters; the last of those of one name.
        headers: By name, in lower case.
        body: Of a `PUT`.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    status: HTTPStatus
    content: bytes
    kind: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


def tell(status: HTTPStatus, text: str) -> Answer:
    """Answers with a line."""
    return Answer(status, f"{text}\n".encode())


Handler = Callable[[Request], Answer]


class HttpServer:
    """Serves a handler.

    Args:
        address: `host:port` or `[IPv6]:port`; port 0 takes a free one.
        setting: What the address is called where it is set.
        handler: Answers; it is called by several threads at a time.
        shared: Whether other processes may listen at the same address, to answer in turn.
        most: Connections at a time.

    Raises:
        ConfigurationError: The address is not valid.
    """

    def __init__(
        self, address: str, setting: str, handler: Handler, *, shared: bool = False, most: int = MOST_CONNECTIONS
    ) -> None:
        self.host, self._port = parse_address(address, setting)
        self._setting = setting
        self._handler = handler
        self._shared = shared
        self._most = most
        self._server: _Server | None = None
        self._thread: Thread | None = None

    def start(self) -> str:
        """Listens; returns the bound address.

        Raises:
            ConfigurationError: The address cannot be used.
        """
        place = f"[{self.host}]" if ":" in self.host else self.host
        try:
            self._server = _Server((self.host, self._port), self._handler, self._most, shared=self._shared)
        except OSError as error:
            reason = error.strerror or error
            raise ConfigurationError(f"{self._setting}: cannot listen on {place}:{self._port}: {reason}") from error
        self._thread = Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name="http", daemon=True)
        self._thread.start()
        return f"{place}:{self._server.server_port}"

    def stop(self) -> None:
        """Ends within a tenth of a second; answers under way are not awaited."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None


class _Server(ThreadingHTTPServer):
    """Answers each connection in a thread, and closes those that are too many."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: Handler, most: int, *, shared: bool) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.allow_reuse_port = shared
        self.handler = handler
        self._free = BoundedSemaphore(most)
        super().__init__(address, _Handler)

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
        """Answers."""
        self.wfile.write(self._answer("GET"))

    def do_HEAD(self) -> None:
        """Answers without the content."""
        self._answer("GET")

    def do_PUT(self) -> None:
        """Takes what is put."""
        self.wfile.write(self._answer("PUT"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's interface
        """Logs nothing."""

    def _answer(self, method: str) -> bytes:
        """Sends the head; returns what is to follow."""
        answer = self._make(method)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.content)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        return answer.content

    def _make(self, method: str) -> Answer:
        """Returns what the handler answers, or why it is not asked."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MOST_BODY or "Transfer-Encoding" in self.headers:
            return tell(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has a length, and at most {MOST_BODY} bytes")
        body = self.rfile.read(int(length))
        path, _, query = self.path.partition("?")
        try:
            parameters = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=32))
        except ValueError:
            return tell(HTTPStatus.BAD_REQUEST, "there are too many parameters")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            return self.server.handler(Request(method, unquote(path), parameters, headers, body))
        except Exception:
            log.exception("unexpected error", path=path)
            return tell(HTTPStatus.INTERNAL_SERVER_ERROR, "an unexpected error; the log has more")


def parse_address(address: str, setting: str) -> tuple[str, int]:
    """Returns host and port.

    Raises:
        ConfigurationError: It is no address of a port.
    """
    found = addresses.TCP.fullmatch(address)
    if found is None or int(found[2]) > addresses.MOST_PORT:
        raise ConfigurationError(f"{setting}: '{address}' is no address; write host:port, such as 127.0.0.1:9100")
    return found[1].strip("[]"), int(found[2])
