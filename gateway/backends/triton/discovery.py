"""Finds the nodes: `host:port` addresses from settings, whose host names may stand for several, which come and go."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable

from gateway.errors import ConfigurationError

MOST_PORT = 65_535

# Host name and port -> the addresses it stands for; raises OSError.
Resolve = Callable[[str, int], Awaitable[set[str]]]


def parse_address(address: str) -> tuple[str, int]:
    """Returns host and port.

    Raises:
        ConfigurationError: It is not `host:port`.
    """
    host, colon, port = address.strip().rpartition(":")
    if not (host and colon and port.isascii() and port.isdecimal() and 0 < int(port) <= MOST_PORT):
        raise ConfigurationError(f"'{address}' is no node: write host:port, such as 127.0.0.1:8001")
    return host.removeprefix("[").removesuffix("]"), int(port)


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
        addresses: `host:port` each; a host may be a name.
        resolve: Looks a name up.

    Raises:
        ConfigurationError: An address is not `host:port`.
    """

    def __init__(self, addresses: Iterable[str], resolve: Resolve = resolve_name) -> None:
        self._entries = [parse_address(address) for address in addresses]
        self._resolve = resolve
        self._known: dict[str, set[str]] = {}

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
        except OSError:
            return self._known.get(name, set())
        return self._known[name]


def is_ip(host: str, kind: int) -> bool:
    """Says whether a host is an IP address of version 4 or 6."""
    try:
        return ipaddress.ip_address(host).version == kind
    except ValueError:
        return False
