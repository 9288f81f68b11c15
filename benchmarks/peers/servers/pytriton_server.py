"""The model behind PyTriton: `python pytriton_server.py PORT WORKSPACE`, the model's file in `MODEL`.

Triton takes the calls and joins those that come within a millisecond; this process scores them.
"""

import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

COLUMNS, CLASSES = 30, 2
LARGEST_BATCH, QUEUE_DELAY_MICROSECONDS = 256, 1_000

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)


@batch
def predict(input: NDArray[np.float32]) -> list[NDArray[np.float32]]:  # noqa: A002 - the tensor's name
    """Scores the rows of several calls."""
    scored: list[NDArray[np.float32]] = session.run(["probabilities"], {"input": input})
    return scored


def serve(port: int, workspace: Path) -> None:
    """Serves until a signal."""
    listen = TritonConfig(grpc_address="127.0.0.1", grpc_port=port, allow_http=False, allow_metrics=False)
    with Triton(config=listen, workspace=workspace) as triton:
        triton.bind(
            model_name="trees",
            infer_func=predict,
            inputs=[Tensor(name="input", dtype=np.float32, shape=(COLUMNS,))],
            outputs=[Tensor(name="probabilities", dtype=np.float32, shape=(CLASSES,))],
            config=ModelConfig(LARGEST_BATCH, batcher=DynamicBatcher(QUEUE_DELAY_MICROSECONDS)),
        )
        triton.serve()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
