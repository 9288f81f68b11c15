"""How Envoy's configuration is written: JSON of its protos (https://www.envoyproxy.io/docs/envoy/latest/api-v3/api)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gapura_envoy.errors import EdgeError

Config = dict[str, Any]

UNIX = "unix:"
MIB, KIB = 1024 * 1024, 1024
MOST_SOCKET_BYTES = 107  # of a unix socket's path


def typed(kind: str, **fields: Any) -> Config:
    """Returns a message with its type, such as `envoy.extensions.filters.http.buffer.v3.Buffer`."""
    return {"@type": f"type.googleapis.com/{kind}", **fields}


def extension(name: str, kind: str, **fields: Any) -> Config:
    """Returns an extension of Envoy: a filter, a monitor, a log."""
    return {"name": name, "typed_config": typed(kind, **fields)}


def duration(seconds: float) -> str:
    """Returns a duration as protobuf's JSON has it."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def address_of(text: str) -> Config:
    """Returns the address of `host:port` or `unix:/path`.

    Raises:
        EdgeError: It is neither.
    """
    if text.startswith(UNIX):
        return pipe(Path(text.removeprefix(UNIX)))
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise EdgeError(f"'{text}' is no address: write host:port, such as 127.0.0.1:9003, or unix:/path")
    named = "127.0.0.1" if host == "localhost" else host.strip("[]")
    return {"socket_address": {"address": named, "port_value": int(port)}}


def pipe(path: Path, **more: object) -> Config:
    """Returns the address of a unix socket.

    Raises:
        EdgeError: Its path is too long for one.
    """
    whole = str(path.absolute())
    if len(whole.encode()) > MOST_SOCKET_BYTES:
        raise EdgeError(f"{whole} is too long for a unix socket: at most {MOST_SOCKET_BYTES} bytes")
    return {"pipe": {"path": whole, **more}}


def watched(path: Path) -> Config:
    """Returns the source of what Envoy reads from a file, again whenever another file is moved there."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def without_none(fields: Mapping[str, Any]) -> Config:
    """Returns the fields that are set."""
    return {name: value for name, value in fields.items() if value is not None}
