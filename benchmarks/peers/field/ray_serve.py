"""Ray Serve: in its mode for throughput, where the replica takes the calls itself, and as it comes, behind a proxy."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gapura_supervisor.addresses import free_port

from benchmarks.peers import raw
from benchmarks.peers.peer import SERVERS, Peer, Place

NAME = "Ray Serve"
BEHIND_PROXY = "Ray Serve, behind its proxy"
ALONE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # a Ray that is no part of a cluster stays on loopback
}


def for_throughput(place: Place) -> Sequence[str | Path]:
    """Returns the command that lets the one replica listen; the proxy's port is another."""
    ports = {"MIN_HTTP_PORT": place.port, "MAX_HTTP_PORT": place.port + 1}
    direct = {f"RAY_SERVE_DIRECT_INGRESS_{name}": str(port) for name, port in ports.items()}
    return compose_command(place, free_port(), {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", **direct})


def behind_proxy(place: Place) -> Sequence[str | Path]:
    """Returns the command that lets the proxy listen."""
    return compose_command(place, place.port, {})


def compose_command(place: Place, proxy_port: int, variables: Mapping[str, str]) -> Sequence[str | Path]:
    """Returns the command; Ray's own files go into the scratch folder."""
    settings = [f"{name}={value}" for name, value in {"MODEL": str(place.graph), **variables}.items()]
    server = (place.bin / "python", SERVERS / "ray_serve_server.py")
    return ["env", *settings, *server, str(proxy_port), place.scratch / "ray"]


def compose_peer(name: str, setting: str, command: Callable[[Place], Sequence[str | Path]]) -> Peer:
    """Returns the peer in one of its modes."""
    return Peer(
        name=name,
        setting=f"{setting}, 1 replica, float32 bodies, no batching, no access log, no dashboard",
        requirements=("ray[serve]==2.60.0", "onnxruntime==1.31.1"),
        command=command,
        path="/",
        body=raw.compose_body,
        probability=raw.probability_of,
        headers=raw.HEADERS,
        environment=ALONE,
    )


PEERS = (
    compose_peer(NAME, "RAY_SERVE_THROUGHPUT_OPTIMIZED, direct ingress", for_throughput),
    compose_peer(BEHIND_PROXY, "as it comes", behind_proxy),
)
