"""FastAPI before `mlflow.pyfunc`: the model is loaded as MLflow has it, and asked call by call."""

import json

from benchmarks.gbm import Rows
from benchmarks.peers.field.fastapi_onnxruntime import uvicorn
from benchmarks.peers.field.mlflow_serve import HEADERS, REQUIREMENTS, SILENCE
from benchmarks.peers.peer import Peer

NAME = "FastAPI + mlflow.pyfunc"


def compose_body(rows: Rows) -> bytes:
    """Returns the body of a call."""
    return json.dumps({"rows": rows.tolist()}).encode()


def probability_of(answer: bytes) -> float:
    """Returns the probability of class 1 of the first row."""
    return float(json.loads(answer)["probabilities"][0][1])


def compose_peer(name: str, setting: str, path: str) -> Peer:
    """Returns the peer with one of its paths."""
    return Peer(
        name=name,
        setting=f"1 worker, JSON, {setting}, uvloop, httptools",
        requirements=REQUIREMENTS,
        command=lambda place: uvicorn("fastapi_pyfunc:app", place, place.mlflow_model, 1),
        path=path,
        body=compose_body,
        probability=probability_of,
        headers=HEADERS,
        environment=SILENCE,
    )


PEERS = (
    compose_peer(NAME, "`async def`: it computes in the event loop", "/predict"),
    compose_peer(f"{NAME}, in threads", "`def`: each call has a thread of the pool", "/predict-in-thread"),
)
