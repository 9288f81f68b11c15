"""BentoML."""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.field.fastapi_pyfunc import compose_body
from benchmarks.peers.field.mlflow_serve import HEADERS
from benchmarks.peers.peer import SERVERS, Peer, Place

NAME = "BentoML"


def command(place: Place) -> Sequence[str | Path]:
    """Returns the command; BentoML's own files go into the scratch folder."""
    variables = (f"MODEL={place.graph}", f"BENTOML_HOME={place.scratch}")
    listen = ("--host", "127.0.0.1", "--port", str(place.port))
    return [
        "env",
        *variables,
        place.bin / "bentoml",
        "serve",
        "bentoml_server:Trees",
        "--working-dir",
        SERVERS,
        *listen,
    ]


def probability_of(answer: bytes) -> float:
    """Returns the probability of class 1 of the first row."""
    return float(json.loads(answer)[0][1])


PEERS = (
    Peer(
        name=NAME,
        setting="1 worker, JSON arrays, in the event loop, no batching, no metrics, no access log, uvloop, httptools",
        requirements=("bentoml==1.4.40", "onnxruntime==1.31.1", "uvloop==0.23.0", "httptools==0.9.0"),
        command=command,
        path="/predict",
        body=compose_body,
        probability=probability_of,
        headers=HEADERS,
        environment={"BENTOML_DO_NOT_TRACK": "true"},
    ),
)
