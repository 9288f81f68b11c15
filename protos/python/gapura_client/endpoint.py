"""Where a channel leads, and whether an API key may travel there unencrypted."""

import ipaddress

LOCAL_SCHEMES = ("unix", "unix-abstract")
ADDRESS_SCHEMES = ("dns", "ipv4", "ipv6", "passthrough")


class PlaintextKeyError(ValueError):
    """An API key would have travelled unencrypted to another machine."""


def is_local(target: str) -> bool:
    """Says whether every address of a gRPC target is a loopback address or a unix socket.

    Example:
        >>> is_local("127.0.0.1:9003"), is_local("unix:/run/gapura.sock"), is_local("dns:///gapura:9003")
        (True, True, False)
    """
    scheme, colon, rest = target.partition(":")
    if colon and scheme in LOCAL_SCHEMES:
        return True
    addresses = rest if colon and scheme in ADDRESS_SCHEMES else target
    if addresses.startswith("//"):
        addresses = addresses[2:].partition("/")[2]
    return all(_is_loopback(_host(address)) for address in addresses.split(","))


def check_plaintext_key(target: str, api_key: str | None, *, encrypted: bool, allow_plaintext: bool) -> None:
    """Refuses to send an API key unencrypted to another machine.

    Raises:
        PlaintextKeyError: There is a key, no encryption, and the target is not on this machine.
    """
    if api_key is None or encrypted or allow_plaintext or is_local(target):
        return
    raise PlaintextKeyError(
        f"the API key would travel unencrypted to {target!r}: pass credentials=grpc.ssl_channel_credentials(), "
        "or allow_plaintext=True where the network is closed to others"
    )


def _host(address: str) -> str:
    """Drops the port of `host:port` and the brackets of `[ipv6]:port`."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.count(":") > 1 else address.partition(":")[0]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
