"""The model behind Ray Serve: `python ray_serve_server.py PROXY_PORT FOLDER`, the model's file in `MODEL`.

A Ray of its own on this machine alone, with little memory for objects and without dashboard.
"""

import os
import sys

import numpy as np
import onnxruntime
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

COLUMNS = 30
CORES, OBJECT_BYTES, CALLS_AT_ONCE = 4, 80 * 1024 * 1024, 1_000


@serve.deployment(max_ongoing_requests=CALLS_AT_ONCE, logging_config={"enable_access_log": False})
class Trees:
    """Answers with the probabilities of both classes."""

    def __init__(self, graph: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(graph, options)

    async def __call__(self, request: Request) -> Response:
        """Scores rows, float32 [rows, 30]; answers with float32 [rows, 2]."""
        rows = np.frombuffer(await request.body(), np.float32).reshape(-1, COLUMNS)
        (probabilities,) = self.session.run(["probabilities"], {"input": rows})
        return Response(probabilities.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    ray.init(
        num_cpus=CORES,  # actors reserve them, whatever the machine has
        object_store_memory=OBJECT_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=sys.argv[2],
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Trees.bind(os.environ["MODEL"]), blocking=True)
