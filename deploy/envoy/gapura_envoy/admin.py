"""Envoy's administration, on a unix socket that only its own user may open: is it ready, and let it drain."""

import http.client
import json
import socket
import time
from pathlib import Path

from gapura_envoy.errors import EdgeError

ASK_SECONDS, LOOK_SECONDS = 5.0, 0.05
CALLS, CONNECTIONS = "http.edge.downstream_rq_active", "http.edge.downstream_cx_active"


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ASK_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connects."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ASK_SECONDS)
        self.sock.connect(str(self._path))


def ask(admin: Path, path: str, method: str = "GET") -> tuple[int, str]:
    """Asks Envoy; returns HTTP status and text.

    Raises:
        EdgeError: It does not answer.
    """
    connection = Connection(admin)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise EdgeError(f"envoy does not answer at {admin}: {error}") from error
    finally:
        connection.close()


def is_ready(admin: Path) -> bool:
    """Says whether Envoy runs and has looked at every worker once."""
    try:
        return ask(admin, "/ready")[0] == http.HTTPStatus.OK
    except EdgeError:
        return False


def read_figures(admin: Path, prefix: str) -> dict[str, int]:
    """Returns counters and gauges by name.

    Raises:
        EdgeError: Envoy does not answer.
    """
    _, text = ask(admin, f"/stats?format=json&type=All&filter=%5E{prefix}")
    return {each["name"]: int(each["value"]) for each in json.loads(text)["stats"] if "value" in each}


def drain(admin: Path, seconds: float) -> int:
    """Sends callers elsewhere, takes no further connections, and waits until no call is under way.

    Health checks fail first; connections are told to go away with their next answer. Then Envoy may be ended.

    Args:
        admin: The socket.
        seconds: How long calls under way get.

    Returns:
        How many are still under way.

    Raises:
        EdgeError: Envoy does not answer.
    """
    ask(admin, "/healthcheck/fail", "POST")
    ask(admin, "/drain_listeners?graceful&skip_exit", "POST")
    end = time.monotonic() + seconds
    while (left := read_figures(admin, CALLS).get(CALLS, 0)) and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
    return left
