"""Addresses that listeners bind: what they may look like, whom they let in, and what is left of an earlier process."""

import ipaddress
import os
import re
import socket
import stat
from pathlib import Path

from gateway.errors import ConfigurationError

UNIX, TCP = "unix:", re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})", re.ASCII)
MOST_PORT = 65_535
MOST_SOCKET_BYTES = 107  # of a unix socket's path


def parse_address(address: str) -> tuple[str, int] | Path:
    """Returns host and port, or the path of a unix socket.

    Raises:
        ConfigurationError: It is neither, or the path is too long for a socket.
    """
    if address.startswith(UNIX) and len(address) > len(UNIX):
        path = Path(address.removeprefix(UNIX))
        if len(os.fsencode(path)) > MOST_SOCKET_BYTES:
            raise ConfigurationError(
                f"{path} is too long for a unix socket: at most {MOST_SOCKET_BYTES} bytes; choose another"
            )
        return path
    parsed = TCP.fullmatch(address)
    if parsed is None or int(parsed[2]) > MOST_PORT:
        raise ConfigurationError(f"'{address}' is no address: write host:port, such as 127.0.0.1:9003, or unix:/path")
    return parsed[1].strip("[]"), int(parsed[2])


def is_loopback(host: str) -> bool:
    """Says whether only processes of this machine reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def clear_socket(path: Path) -> None:
    """Removes the unix socket that a killed process has left behind; without this nobody could bind its path.

    Raises:
        ConfigurationError: Somebody listens on it, or it is no socket.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError(f"cannot listen on unix:{path}: it is a file that is no socket; choose another path")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            return
        else:
            raise in_use(f"{UNIX}{path}")


def in_use(address: str) -> ConfigurationError:
    """The error of an address that cannot be bound."""
    return ConfigurationError(
        f"cannot listen on {address}: it is in use or not an address of this machine; choose another"
    )
