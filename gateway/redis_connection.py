"""The connection to Redis, for every stage that has one: it gives up soon, and tries nothing twice."""

import asyncio
import socket
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, ResponseError

from gateway.errors import ConfigurationError

CONNECT_SECONDS = 1.0

# A connection that a firewall forgot is noticed in half a minute.
KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}

log = structlog.get_logger(__name__)


def connect(url: str, answer_seconds: float = 1.0) -> Any:
    """Returns a client that waits so long for an answer, and tries nothing twice.

    Raises:
        ConfigurationError: The URL is not valid; the message does not repeat it, since it may hold a password.
    """
    options: dict[str, Any] = {"socket_timeout": answer_seconds, "socket_connect_timeout": CONNECT_SECONDS}
    if not url.startswith("unix:"):
        options |= {"socket_keepalive": True, "socket_keepalive_options": KEEPALIVE}
    try:
        client: Any = Redis.from_url(url, retry=Retry(NoBackoff(), 0), protocol=2, **options)
        client.connection_pool.make_connection()  # which alone looks at the options behind a question mark
    except (ValueError, TypeError):
        raise ConfigurationError(
            "GAPURA_REDIS_URL: write redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, or unix:///PATH"
        ) from None
    return client


def place_of(client: Any) -> str:
    """Says where Redis is, without user and password."""
    known = client.connection_pool.connection_kwargs
    return str(known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}")


def explain(error: Exception) -> tuple[str, str]:
    """Returns the state that an error stands for, and its reason: the many errors of a Redis that is away are one."""
    if isinstance(error, AuthenticationError | AuthorizationError | ResponseError):
        return str(error), str(error)
    return "unreachable", str(error) or type(error).__name__


class Standing:
    """How it stands with Redis: logs what keeps something from being done, or that nothing does any more, once each.

    Args:
        place: Where Redis is, as `place_of` says it.
        failing: Event of what keeps it from being done.
        working: Event of its being done again.
    """

    def __init__(self, place: str, failing: str, working: str) -> None:
        self._place = place
        self._failing, self._working = failing, working
        self._state = "not yet"

    def tell(self, state: str, problem: str) -> None:
        """Logs a state that is another than before, with its problem; an empty one is good."""
        if state == self._state:
            return
        if state:
            log.error(self._failing, redis=self._place, reason=problem)
        else:
            log.info(self._working, redis=self._place)
        self._state = state


def cancelled() -> bool:
    """Says whether this task was cancelled: `asyncio.wait_for` of Python 3.11, which redis-py uses, may overlook it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
