"""Takes MLflow's webhooks, which make the next look at the registry come sooner.

A lost one costs a moment, since the registry is looked at anyway: so whatever is doubtful or too much is turned away.
"""

import json
import socket
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, Self

from hub.errors import HubError
from hub.watch.signatures import DELIVERY, SIGNATURE, TIMESTAMP, Gate

_LONGEST_BODY = 1024 * 1024
_CONNECTIONS = 32
_SECONDS = 10.0  # that a connection may last
_POLL_SECONDS = 0.1  # between two looks at whether to end
_ENTITIES = frozenset({"registered_model", "model_version", "model_version_alias", "model_version_tag"})


class WebhookListener:
    """Calls `wake`, in threads of its own, for every signed event of the model registry; a context manager.

    Attributes:
        port: Where it listens, also where any free port was asked for.
    """

    def __init__(
        self, host: str, port: int, secret: str, wake: Callable[[], None], *, seconds: float = _SECONDS
    ) -> None:
        """Prepares it.

        Args:
            host: Address to listen on, such as `127.0.0.1` or `[::]`.
            port: Port; 0 for any that is free.
            secret: What MLflow signs with.
            wake: Called for each event; has to return at once.
            seconds: How long a connection may last.

        Raises:
            HubError: The secret is empty.
        """
        if not secret:
            raise HubError("GAPURA_WEBHOOK_SECRET is empty: give MLflow's webhook and the hub the same long secret")
        self.port = port
        self._host = host.strip("[]")
        self._gate, self._wake, self._seconds = Gate(secret), wake, seconds
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        """Listens from now on.

        Raises:
            HubError: The address cannot be had.
        """
        try:
            self._server = _Server(self._host, self.port, self._gate, self._wake, self._seconds)
        except OSError as error:
            place = f"{self._host}:{self.port}"
            raise HubError(f"webhooks cannot be taken at {place}: {error}; change GAPURA_WEBHOOK_LISTEN") from error
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="webhooks", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Server(ThreadingMixIn, TCPServer):
    """A thread per connection, up to a number; more are closed at once."""

    allow_reuse_address = True
    block_on_close = False
    daemon_threads = True
    request_queue_size = 2 * _CONNECTIONS

    def __init__(self, host: str, port: int, gate: Gate, wake: Callable[[], None], seconds: float) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.gate, self.wake, self._seconds = gate, wake, seconds
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Ends a connection that takes too long, however alive it looks."""
        end = threading.Timer(self._seconds, _cut, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of callers that went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "gapura"
    sys_version = ""

    def do_POST(self) -> None:
        self.send_response(self._take())
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Says nothing: what callers send is no news."""

    def _take(self) -> HTTPStatus:
        """Returns the answer; wakes whoever waits for news of the registry."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return HTTPStatus.BAD_REQUEST
        if len(length) > len(str(_LONGEST_BODY)) or int(length) > _LONGEST_BODY:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        body = self.rfile.read(int(length))
        delivery, timestamp, signature = (self.headers.get(name, "") for name in (DELIVERY, TIMESTAMP, SIGNATURE))
        if not self.server.gate.accepts(delivery, timestamp, signature, body):
            return HTTPStatus.UNAUTHORIZED
        try:
            news = json.loads(body)["entity"] in _ENTITIES
        except (ValueError, TypeError, KeyError, RecursionError):
            return HTTPStatus.BAD_REQUEST
        if news:
            self.server.wake()
        return HTTPStatus.OK


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended by itself
        return
