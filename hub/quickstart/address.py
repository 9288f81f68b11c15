"""Where the gateway of a tour listens, and how it is called from this machine."""

import socket

from hub.errors import HubError

_ANY = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared with, not bound to


def split_address(listen: str) -> tuple[str, int]:
    """Splits `host:port`.

    Raises:
        HubError: It is no such thing.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:  # noqa: PLR2004 - ports have 16 bits
        raise HubError(f"{listen!r} is not an address: write HOST:PORT, such as 127.0.0.1:9003")
    return host, int(port)


def target_of(listen: str) -> str:
    """Returns the address that callers on this machine use."""
    host, port = split_address(listen)
    return f"{_ANY.get(host, host)}:{port}"


def require_free(listen: str) -> None:
    """Makes sure that nobody listens there: the calls of the tour would reach a stranger.

    Raises:
        HubError: The address is taken, or is not one of this machine.
    """
    host, port = split_address(listen)
    bare = host.strip("[]")
    try:
        with socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((bare, port))
    except OSError as error:
        raise HubError(f"cannot listen on {listen} ({error.strerror}): choose another with --listen") from error
