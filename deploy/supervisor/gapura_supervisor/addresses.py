"""Addresses of a deployment: what they look like, who has them, and how callers on this machine write them."""

import socket
from collections.abc import Iterable

from gapura_supervisor.errors import SupervisionError

LOOPBACK = "127.0.0.1"
_ANY = {"0.0.0.0": LOOPBACK, "[::]": "[::1]"}  # noqa: S104 - compared with, not bound to


def split_address(listen: str) -> tuple[str, int]:
    """Splits `host:port`.

    Raises:
        SupervisionError: It is no such thing.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:  # noqa: PLR2004 - ports have 16 bits
        raise SupervisionError(f"{listen!r} is not an address: write HOST:PORT, such as 127.0.0.1:9003")
    return host, int(port)


def target_of(listen: str) -> str:
    """Returns the address that callers on this machine use."""
    host, port = split_address(listen)
    return f"{_ANY.get(host, host)}:{port}"


def require_free(listen: str, choose: str = "choose another with --listen") -> None:
    """Makes sure that nobody listens there: calls would reach a stranger.

    Raises:
        SupervisionError: The address is taken, or is not one of this machine; the message ends with `choose`.
    """
    _bound(listen, choose, (socket.SO_REUSEADDR,)).close()


def reserve(listen: str) -> socket.socket:
    """Keeps an address for the processes of this user that share it, until the socket is closed; it takes no calls.

    Raises:
        SupervisionError: The address is taken, or is not one of this machine.
    """
    require_free(listen)
    choose = "choose another with --listen"
    try:
        return _bound(listen, choose, (socket.SO_REUSEPORT,))
    except SupervisionError:  # connections of somebody else's that ended a moment ago do not matter
        return _bound(listen, choose, (socket.SO_REUSEPORT, socket.SO_REUSEADDR))


def free_port() -> int:
    """Returns a port on loopback that nobody listens on."""
    with socket.create_server((LOOPBACK, 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _bound(listen: str, choose: str, options: Iterable[int]) -> socket.socket:
    host, port = split_address(listen)
    bare = host.strip("[]")
    bound = socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET, socket.SOCK_STREAM)
    try:
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind((bare, port))
    except OSError as error:
        bound.close()
        raise SupervisionError(f"cannot listen on {listen} ({error.strerror}): {choose}") from error
    return bound
