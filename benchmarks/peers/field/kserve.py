"""KServe's Python server, with a custom predictor of ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path

from gapura_supervisor.addresses import free_port

from benchmarks.measuring.framing import METHOD
from benchmarks.peers import v2
from benchmarks.peers.peer import SERVERS, Peer, Place

NAME = "KServe"


def command(place: Place) -> Sequence[str | Path]:
    """Starts the server; KServe listens on all interfaces, whatever one would like."""
    ports = ("--grpc_port", str(place.port), "--http_port", str(free_port()))
    quiet = ("--enable_latency_logging", "false")
    return ["env", f"MODEL={place.graph}", place.bin / "python", SERVERS / "kserve_server.py", *ports, *quiet]


PEERS = (
    Peer(
        name=NAME,
        setting="1 process, gRPC, raw tensors, uvloop, no log of calls",
        requirements=("kserve==0.21.0", "onnxruntime==1.31.1"),
        command=command,
        path=METHOD,
        body=v2.compose_body,
        probability=v2.probability_of,
        grpc=True,
    ),
)
