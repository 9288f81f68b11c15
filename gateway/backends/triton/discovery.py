"""Finds the nodes: addresses from settings, whose host names may stand for several, which come and go."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable

import structlog

from gateway.errors import ConfigurationError

DEFAULT_PORT, MOST_PORT = 8001, 65_535
ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")

log = structlog.get_logger(__name__)

# Host name and port -> the addresses it stands for; raises OSError.
Resolve = Callable[[str, int], Awaitable[set[str]]]


def parse_address(address: str) -> tuple[str, int]:
    """Returns host and port; 8001, Triton's own, where none is named.

    Raises:
        ConfigurationError: It is no address.
    """
    match = ADDRESS.fullmatch(address.strip())
    port = int(match["port"] or DEFAULT_PORT) if match else 0
    if match is None or not 0 < port <= MOST_PORT:
        raise ConfigurationError(f"'{address}' is no node: write host or host:port, such as 127.0.0.1:8001")
    return match["six"] or match["host"], port


async def resolve_name(host: str, port: int) -> set[str]:
    """Asks the system's resolver; IPv6 only where there is no IPv4, since both would be the same node.

    Raises:
        OSError: The name is not known, or nobody can be asked.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    four = {f"{address[0]}:{port}" for family, _, _, _, address in found if family == socket.AF_INET}
    return four or {f"[{address[0]}]:{port}" for _, _, _, _, address in found}


class Discovery:
    """The nodes of one pool.

    Args:
        addresses: `host` or `host:port` each; a host may be a name.
        resolve: Looks a name up.

    Raises:
        ConfigurationError: An address is none.
    """

    def __init__(self, addresses: Iterable[str], resolve: Resolve = resolve_name) -> None:
        self._entries = [parse_address(address) for address in addresses]
        self._resolve = resolve
        self._known: dict[str, set[str]] = {}
        self._unknown: set[str] = set()

    async def find(self) -> set[str]:
        """Returns the addresses now; a name that cannot be looked up keeps those that it had."""
        found = set[str]()
        for host, port in self._entries:
            found |= {f"{host}:{port}"} if is_ip(host, 4) else await self._look_up(host, port)
        return found

    async def _look_up(self, host: str, port: int) -> set[str]:
        if is_ip(host, 6):
            return {f"[{host}]:{port}"}
        name = f"{host}:{port}"
        try:
            self._known[name] = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:  # the latter for a name that cannot be one
            if name not in self._unknown:
                log.warning("node cannot be looked up", node=name, reason=str(error))
            self._unknown.add(name)
            return self._known.get(name, set())
        self._unknown.discard(name)
        return self._known[name]


def is_ip(host: str, kind: int) -> bool:
    """Says whether a host is an IP address of version 4 or 6."""
    try:
        return ipaddress.ip_address(host).version == kind
    except ValueError:
        return False
