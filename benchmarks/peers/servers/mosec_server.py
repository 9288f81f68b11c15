"""mosec before ONNX Runtime: a row comes as float32 [30], and its probabilities go as float32 [2].

The model's file is in `MODEL`, the most rows of a batch in `BATCH`, and how long it gathers in `WAIT_MS`; the rest are
mosec's own options.
"""

import os

import numpy as np
import onnxruntime
from mosec import Server, Worker


class Trees(Worker):
    """Scores batches."""

    resp_mime_type = "application/octet-stream"

    def __init__(self) -> None:
        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    def deserialize(self, data: bytes) -> bytes:
        """Leaves a row as it came: all are read at once."""
        return data

    def serialize(self, data: bytes) -> bytes:
        """Leaves probabilities as they are."""
        return data

    def forward(self, data: list[bytes]) -> list[bytes]:
        """Scores as many rows as have gathered."""
        rows = np.frombuffer(b"".join(data), np.float32).reshape(len(data), -1)
        (probabilities,) = self.session.run(["probabilities"], {"input": rows})
        return [row.tobytes() for row in probabilities]


if __name__ == "__main__":
    server = Server()
    server.append_worker(
        Trees, num=1, max_batch_size=int(os.environ["BATCH"]), max_wait_time=int(os.environ["WAIT_MS"])
    )
    server.run()
