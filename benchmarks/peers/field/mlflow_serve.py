"""`mlflow models serve`: MLflow's own scoring server, FastAPI before `mlflow.pyfunc`."""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gbm import Rows
from benchmarks.peers.peer import Peer, Place

NAME = "mlflow models serve"
REQUIREMENTS = (
    "mlflow-skinny==3.17.2",
    "fastapi==0.165.0",
    "uvicorn[standard]==0.54.0",
    "onnx==1.23.2",
    "onnxruntime==1.31.1",
    "pandas==3.1.1",
)
SILENCE = {"MLFLOW_DISABLE_TELEMETRY": "true", "UVICORN_ACCESS_LOG": "false", "UVICORN_LOG_LEVEL": "warning"}
HEADERS = (("content-type", "application/json"),)
WORKERS = 2


def command(place: Place) -> Sequence[str | Path]:
    """Serves the model, in the environment as it is."""
    listen = ("--host", "127.0.0.1", "--port", str(place.port), "--workers", str(WORKERS))
    model = ("--model-uri", place.mlflow_model, "--env-manager", "local")
    return [place.bin / "mlflow", "models", "serve", *model, *listen]


def compose_body(rows: Rows) -> bytes:
    """Returns the body of a call; `inputs` are a tensor, which costs less than rows of a data frame."""
    return json.dumps({"inputs": rows.tolist()}).encode()


def probability_of(answer: bytes) -> float:
    """Returns the probability of class 1 of the first row."""
    return float(json.loads(answer)["predictions"]["probabilities"][0][1])


PEERS = (
    Peer(
        name=NAME,
        setting=f"{WORKERS} workers, JSON tensors, no access log",
        requirements=REQUIREMENTS,
        command=command,
        path="/invocations",
        body=compose_body,
        probability=probability_of,
        headers=HEADERS,
        environment=SILENCE,
    ),
)
