"""PyTriton: Triton before a Python function."""

import sysconfig
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.framing import METHOD
from benchmarks.peers import v2
from benchmarks.peers.peer import SERVERS, Peer, Place

NAME = "PyTriton"


def command(place: Place) -> Sequence[str | Path]:
    """Returns the command; Triton's files go into the scratch folder."""
    program = (place.bin / "python", SERVERS / "pytriton_server.py", str(place.port), place.scratch / "workspace")
    return ["env", f"MODEL={place.graph}", *program]


PEERS = (
    Peer(
        name=NAME,
        setting="1 instance, gRPC, raw tensors, dynamic batching within 1 ms, no metrics",
        requirements=("nvidia-pytriton==0.7.0", "numpy==1.26.4", "onnxruntime==1.23.2"),
        command=command,
        path=METHOD,
        body=v2.compose_body,
        probability=v2.probability_of,
        grpc=True,
        # Triton's Python backend would take the system's libpython otherwise, which is another one
        environment={"LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))},
    ),
)
