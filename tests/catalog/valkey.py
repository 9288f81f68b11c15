"""A real Valkey that tests start, kill, freeze and lock."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

from redis import Redis

from benchmarks.redis_servers import valkey
from tests.e2e.serving import free_port

START_SECONDS = 20


class Valkey:
    """A server that forgets everything when it ends.

    Args:
        options: Of its command line, as `--requirepass secret`.
    """

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, user: str = "") -> str:
        """Returns its address, for `user` as `name:password@`."""
        return f"redis://{user}127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, and waits until it takes connections."""
        command = [valkey().path, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = monotonic() + START_SECONDS
        while not self._listens():
            assert monotonic() < end, "it does not start"
            assert self._process.poll() is None, "it ended"
            sleep(0.01)

    def kill(self) -> None:
        """Ends it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stops it without ending it: connections stay, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def do(self, *command: Any, user: str = "") -> Any:
        """Sends one command."""
        with Redis.from_url(self.url(user)) as client:
            return client.execute_command(*command)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False


@contextmanager
def running(*options: str) -> Iterator[Valkey]:
    """Runs a server."""
    valkey = Valkey(*options)
    valkey.start()
    try:
        yield valkey
    finally:
        valkey.kill()
