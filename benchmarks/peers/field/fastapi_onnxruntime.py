"""FastAPI before ONNX Runtime: what is written in an afternoon."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers import raw
from benchmarks.peers.peer import SERVERS, Peer, Place

NAME = "FastAPI + ONNX Runtime"


def compose_peer(workers: int) -> Peer:
    """Returns the peer with so many processes."""

    def command(place: Place) -> Sequence[str | Path]:
        return uvicorn("fastapi_onnxruntime:app", place, place.graph, workers)

    return Peer(
        name=f"{NAME}, {workers} worker{'s' if workers > 1 else ''}",
        setting="float32 bodies, uvloop, httptools",
        requirements=(
            "fastapi==0.165.0",
            "uvicorn[standard]==0.54.0",
            "onnxruntime==1.31.1",
        ),
        command=command,
        path="/predict",
        body=raw.compose_body,
        probability=raw.probability_of,
        headers=raw.HEADERS,
    )


def uvicorn(app: str, place: Place, model: Path, workers: int) -> Sequence[str | Path]:
    """Returns the command of uvicorn for one of the servers here, without a line in a log for each call."""
    listen = ("--host", "127.0.0.1", "--port", str(place.port), "--workers", str(workers))
    quiet = ("--no-access-log", "--log-level", "warning")
    return ["env", f"MODEL={model}", place.bin / "uvicorn", app, "--app-dir", SERVERS, *listen, *quiet]


PEERS = (compose_peer(1), compose_peer(2))
