"""The model behind BentoML: `bentoml serve bentoml_server:Trees`, the model's file in `MODEL`."""

import os
from typing import Annotated

import bentoml
import numpy as np
import onnxruntime
from bentoml.validators import DType


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Trees:
    """Answers with the probabilities of both classes."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    @bentoml.api
    async def predict(self, rows: Annotated[np.ndarray, DType("float32")]) -> np.ndarray:
        """Scores rows, in the event loop: a thread for each call costs more than the model."""
        return self.session.run(["probabilities"], {"input": rows})[0]
