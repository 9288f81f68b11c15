"""Where Redis is: one address for a server, what a Sentinel names, or a cluster."""

import ssl
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import RedisError

from gateway.errors import ConfigurationError
from gateway.redis_connection import connect

TOLD = (
    "GAPURA_FEATURES_URL: write redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], unix:///PATH, "
    "redis+sentinel://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]/SERVICE[/DATABASE] or "
    "redis+cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]; with rediss in place of redis it is TLS, "
    "whose options follow, such as ?ssl_ca_certs=/PATH"
)


class Kind(Enum):
    """What is at the other end: the part of the scheme behind the plus sign, and the port where none is written."""

    SINGLE = "", 6379
    SENTINEL = "sentinel", 26379
    CLUSTER = "cluster", 6379


KINDS = {f"{scheme}+{kind.value[0]}".rstrip("+"): (scheme, kind) for kind in Kind for scheme in ("redis", "rediss")} | {
    "unix": ("unix", Kind.SINGLE)
}


class Place(NamedTuple):
    """Where one server listens.

    Attributes:
        host: Name or IP address; of a unix socket, its path.
        port: Port; 0 of a unix socket.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis is, and how to connect.

    Attributes:
        kind: What is there.
        places: The server, the Sentinels, or some servers of the cluster.
        service: What the Sentinels call the primary.
        user: Name of the ACL user; empty for the default one.
        password: Its password, or empty.
        database: Number of the database.
        tls: How to do TLS, or None.
    """

    kind: Kind
    places: tuple[Place, ...]
    service: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    tls: ssl.SSLContext | None = None


def read_address(url: str) -> Address:
    """Reads an address.

    Raises:
        ConfigurationError: It is not valid; the message does not repeat it, since it may hold a password.
    """
    try:
        parts = urlsplit(url)
        scheme, kind = KINDS[parts.scheme]
        service, database = _read_path(kind, scheme, parts.path)
        places = _read_places(kind, scheme, parts)
        options = _options(scheme, places[0], parts, database)
        return Address(
            kind,
            places,
            service,
            str(options.get("username", "")),
            str(options.get("password", "")),
            database,
            _tls(options),
        )
    except (ssl.SSLError, OSError) as error:
        told = f"GAPURA_FEATURES_URL: the certificates that it names cannot be used: {error.strerror or 'bad content'}"
        raise ConfigurationError(told) from None
    except (KeyError, ValueError, TypeError, RedisError, ConfigurationError):
        raise ConfigurationError(TOLD) from None


def _read_path(kind: Kind, scheme: str, path: str) -> tuple[str, int]:
    """Returns the name of the service and the number of the database.

    Raises:
        ValueError: They are missing, or something else is there.
    """
    if scheme == "unix":
        return "", 0
    words = [unquote(word) for word in path.strip("/").split("/") if word]
    service = words.pop(0) if kind is Kind.SENTINEL and words else ""
    database = words.pop(0) if kind is not Kind.CLUSTER and words else "0"
    if words or not database.isdecimal() or (kind is Kind.SENTINEL and not service):
        raise ValueError(path)
    return service, int(database)


def _read_places(kind: Kind, scheme: str, parts: SplitResult) -> tuple[Place, ...]:
    """Returns the servers that are named.

    Raises:
        ValueError: There is none, or more than there may be.
    """
    if scheme == "unix":
        if not parts.path.strip("/") or parts.hostname:
            raise ValueError(parts.path)
        return (Place(unquote(parts.path), 0),)
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if kind is Kind.SINGLE and len(hosts) > 1:
        raise ValueError(parts.netloc)
    known: list[Any] = [parse_url(f"redis://{host}") for host in hosts]
    return tuple(Place(each["host"], each.get("port", kind.value[1])) for each in known)


def _options(scheme: str, first: Place, parts: SplitResult, database: int) -> Any:
    """Returns what redis-py makes of the rest, as for a connection to the first server.

    Raises:
        ValueError: An option is none of TLS.
        ConfigurationError: redis-py does not know it.
    """
    if not all(name.startswith("ssl_") for name in parse_qs(parts.query, keep_blank_values=True)):
        raise ValueError(parts.query)
    credentials = "".join(parts.netloc.rpartition("@")[:2])
    host = f"[{first.host}]" if ":" in first.host else first.host
    place = f"{credentials}{parts.path}" if scheme == "unix" else f"{credentials}{host}:{first.port}/{database}"
    pool = connect(f"{scheme}://{place}?{parts.query}").connection_pool
    return pool.connection_kwargs | {"connection": pool.make_connection()}


def _tls(options: Any) -> ssl.SSLContext | None:
    """Returns how to do TLS, or None.

    Raises:
        OSError: A file cannot be read.
    """
    connection = options["connection"]
    return connection.ssl_context.get() if isinstance(connection, SSLConnection) else None
