"""The connection to the Redis that holds features: one server, what Sentinels name, or a cluster."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
)
from redis.retry import Retry
from redis.sentinel import Sentinel

from hub.errors import HubError
from hub.settings import HubSettings

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 10.0

_SENTINEL, _CLUSTER = "redis+sentinel://", "redis+cluster://"
_FORMS = (
    "write redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, unix:///PATH, "
    "redis+sentinel://[USER:PASSWORD@]HOST:PORT,.../SERVICE or redis+cluster://[USER:PASSWORD@]HOST:PORT,..."
)
_PLACES = re.compile(r"(?:(?P<user>[^:@/]*):(?P<password>[^@/]*)@)?(?P<places>[^@/]+)(?:/(?P<service>[^/]+))?/?")


class StoreAwayError(HubError):
    """The Redis that holds features does not answer."""


def features_url(settings: HubSettings) -> str:
    """Returns where features are stored.

    Raises:
        HubError: No setting says it.
    """
    url = settings.features_redis
    if url is None:
        raise HubError("GAPURA_FEATURES_URL is not set: it names the Redis that holds features, redis://HOST:PORT")
    return url


def connect(url: str, name: str = "GAPURA_FEATURES_URL") -> Any:
    """Returns a client; nothing is asked yet, except of a cluster.

    Raises:
        HubError: The URL is not valid; the message does not repeat it, since it may hold a password.
        StoreAwayError: No node of a cluster answers.
    """
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "retry": Retry(ExponentialBackoff(cap=1.0, base=0.1), 3),
    }
    try:
        if url.startswith(_SENTINEL):
            return _connect_sentinel(url.removeprefix(_SENTINEL), options)
        if url.startswith(_CLUSTER):
            return _connect_cluster(url.removeprefix(_CLUSTER), options)
        return Redis.from_url(url, protocol=2, **options)
    except (RedisClusterException, RedisError) as error:
        raise StoreAwayError(f"no node of the cluster answers: {error}") from error
    except ValueError:
        raise HubError(f"{name}: {_FORMS}") from None


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turns what Redis refuses into a message that says what to do.

    Raises:
        StoreAwayError: It does not answer.
        HubError: It refuses.
    """
    try:
        yield
    except OutOfMemoryError as error:
        raise HubError(
            f"{doing}: Redis is full (OOM): raise its `maxmemory`, or remove what nobody needs, and run it again"
        ) from error
    except NoPermissionError as error:
        raise HubError(
            f"{doing}: this user of Redis may not ({error}): allow it +@read +@write +@scripting +scan on the keys "
            "~f:* and ~features:*"
        ) from error
    except ReadOnlyError as error:
        raise HubError(f"{doing}: this Redis is a replica, which is read only: name the primary") from error
    except AuthenticationError as error:
        raise HubError(f"{doing}: Redis does not accept user and password of the URL: {error}") from error
    except (RedisError, OSError) as error:
        if isinstance(error, RedisError) and str(error).startswith("MISCONF"):
            raise HubError(f"{doing}: Redis cannot save to its disk and takes no writes: {error}") from error
        raise StoreAwayError(f"{doing}: Redis does not answer: {str(error) or type(error).__name__}") from error


def _connect_sentinel(rest: str, options: dict[str, Any]) -> Any:
    places, access, service = _split(rest)
    if not service:
        raise ValueError(service)
    make: Any = Sentinel  # which has no types
    return make(places, sentinel_kwargs=options, **options, **access).master_for(service)


def _connect_cluster(rest: str, options: dict[str, Any]) -> Any:
    places, access, service = _split(rest)
    if service:
        raise ValueError(service)
    node: Any = ClusterNode  # which has no types
    return RedisCluster(startup_nodes=[node(host, port) for host, port in places], **options, **access)


def _split(rest: str) -> tuple[list[tuple[str, int]], dict[str, Any], str | None]:
    """Splits what follows the scheme into addresses, user and password, and the name of a service."""
    match = _PLACES.fullmatch(rest)
    if match is None:
        raise ValueError("no addresses")
    places = []
    for place in match["places"].split(","):
        host, _, port = place.rpartition(":")
        if not host:
            raise ValueError("no port")
        places.append((host.strip("[]"), int(port)))
    access: dict[str, Any] = {}
    if match["password"] is not None:
        access["password"] = unquote(match["password"])
        access |= {"username": unquote(match["user"])} if match["user"] else {}
    return places, access, match["service"]
