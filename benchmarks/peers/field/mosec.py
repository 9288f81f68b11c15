"""mosec: a Rust server that gathers batches for workers in Python, with ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers import raw
from benchmarks.peers.peer import SERVERS, Peer, Place

NAME = "mosec"
BATCH, WAIT_MS = 64, 10


def command(place: Place) -> Sequence[str | Path]:
    """Starts the server."""
    variables = (f"MODEL={place.graph}", f"BATCH={BATCH}", f"WAIT_MS={WAIT_MS}")
    options = ("--address", "127.0.0.1", "--port", str(place.port), "--log-level", "warning")
    return ["env", *variables, place.bin / "python", SERVERS / "mosec_server.py", *options]


PEERS = (
    Peer(
        name=NAME,
        setting=f"1 worker, batches of up to {BATCH} in {WAIT_MS} ms, float32 bodies",
        requirements=("mosec==0.9.8", "onnxruntime==1.31.1"),
        command=command,
        path="/inference",
        body=raw.compose_body,
        probability=raw.probability_of,
        headers=raw.HEADERS,
    ),
)
