"""The model behind LitServe, in a process of its own: `python litserve_server.py PORT`, the model's file in `MODEL`."""

import os
import sys
from collections.abc import Mapping, Sequence

import litserve
import numpy as np
import onnxruntime
from numpy.typing import NDArray

Table = NDArray[np.float32]


class Trees(litserve.LitAPI):
    """Answers with the probabilities of both classes."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe hands it over
        """Reads the model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    def decode_request(self, request: Mapping[str, Sequence[Sequence[float]]]) -> Table:
        """Returns the rows of a call."""
        return np.asarray(request["rows"], np.float32)

    def predict(self, rows: Table) -> Table:
        """Scores rows."""
        (probabilities,) = self.session.run(["probabilities"], {"input": rows})
        return probabilities

    def encode_response(self, probabilities: Table) -> dict[str, list[list[float]]]:
        """Returns the answer."""
        return {"probabilities": probabilities.tolist()}


if __name__ == "__main__":
    litserve.LitServer(Trees(), accelerator="cpu").run(
        "127.0.0.1", int(sys.argv[1]), log_level="warning", access_log=False, generate_client_file=False
    )
