"""A server of keys on this machine, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class KeyServer(ThreadingHTTPServer):
    """Sends the same text to everybody.

    Attributes:
        content: The text.
        speaks: Whether it answers at all.
        status: Status of its answers.
        asked: How many times it was asked.
    """

    status = 200
    asked = 0

    def __init__(self, content: str) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = content
        self.speaks = Event()
        self.speaks.set()

    def url(self) -> str:
        """Returns where the text is."""
        return f"http://127.0.0.1:{self.server_port}/keys"

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Lets those who ask wait."""
        self.speaks.clear()
        try:
            yield
        finally:
            self.speaks.set()


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    server: KeyServer

    def do_GET(self) -> None:
        """Sends the text."""
        self.server.asked += 1
        self.server.speaks.wait()
        self.send_response(self.server.status)
        self.send_header("Location", "/keys")
        self.end_headers()
        self.wfile.write(self.server.content.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def serving(content: str) -> Iterator[KeyServer]:
    """Runs a server of keys."""
    with KeyServer(content) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
