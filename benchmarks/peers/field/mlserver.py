"""MLServer, with a runtime of ONNX Runtime."""

import json
from collections.abc import Sequence
from pathlib import Path

from gapura_supervisor.addresses import free_port

from benchmarks.measuring.framing import METHOD
from benchmarks.peers import v2
from benchmarks.peers.peer import SERVERS, Peer, Place

NAME = "MLServer"


def command(place: Place) -> Sequence[str | Path]:
    """Writes MLServer's settings; inference stays in its own process, where it takes the least CPU."""
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": free_port(),
        "grpc_port": place.port,
        "metrics_endpoint": None,
        "parallel_workers": 0,
    }
    model = {"name": v2.MODEL, "implementation": "mlserver_runtime.Trees", "parameters": {"uri": str(place.graph)}}
    (place.scratch / "settings.json").write_text(json.dumps(settings))
    (place.scratch / "model-settings.json").write_text(json.dumps(model))
    return ["env", f"PYTHONPATH={SERVERS}", place.bin / "mlserver", "start", place.scratch]


PEERS = (
    Peer(
        name=NAME,
        setting="1 process, gRPC, raw tensors, no metrics",
        requirements=("mlserver==1.7.1", "onnxruntime==1.31.1"),
        command=command,
        path=METHOD,
        body=v2.compose_body,
        probability=v2.probability_of,
        grpc=True,
    ),
)
