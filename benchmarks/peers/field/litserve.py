"""LitServe."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.field.fastapi_pyfunc import compose_body, probability_of
from benchmarks.peers.field.mlflow_serve import HEADERS
from benchmarks.peers.peer import SERVERS, Peer, Place

NAME = "LitServe"


def command(place: Place) -> Sequence[str | Path]:
    """Returns the command; calls are not joined, which would take more CPU than it saves with so small a model."""
    return ["env", f"MODEL={place.graph}", place.bin / "python", SERVERS / "litserve_server.py", str(place.port)]


PEERS = (
    Peer(
        name=NAME,
        setting="1 worker, JSON, no batching, uvloop, httptools",
        requirements=("litserve==0.2.19", "onnxruntime==1.31.1"),
        command=command,
        path="/predict",
        body=compose_body,
        probability=probability_of,
        headers=HEADERS,
    ),
)
