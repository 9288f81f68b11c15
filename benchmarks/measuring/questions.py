"""Calls whose answers are known beforehand, from ONNX Runtime asked alone."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from benchmarks.gbm import Rows
from benchmarks.measuring.framing import frame

TOLERANCE = 1e-6
DATATYPES = {"float32": "FP32", "float64": "FP64"}


class Question:
    """One call.

    Args:
        model: Who is asked.
        rows: [rows, columns].
        answer: Each output that has to come back, by name.

    Attributes:
        body: What is sent.
        answer: What has to come back, by name.
        answer_bytes: Size of the body of a right answer, once one has come.
    """

    def __init__(self, model: str, rows: NDArray[np.floating], answer: Mapping[str, NDArray[np.generic]]) -> None:
        self.message = compose_request(model, rows)
        self.body = frame(self.message)
        self.answer_bytes = 0
        self.answer = answer
        self._right: set[bytes] = set()

    def problem(self, message: bytes) -> str:
        """Says what is wrong with an answer, if anything; the same bytes are read once."""
        if message in self._right:
            return ""
        response = service_pb2.ModelInferResponse.FromString(message)
        got = dict(zip([output.name for output in response.outputs], response.raw_output_contents, strict=True))
        if got.keys() != self.answer.keys():
            return f"it answers {sorted(got)}"
        for name, wanted in self.answer.items():
            if not agree(got[name], wanted):
                return f"{name} is another's"
        self._right.add(message)
        self.answer_bytes = len(frame(message))
        return ""


class Liveness:
    """`ServerLive`, which costs a server nothing but the call.

    Attributes:
        body: What is sent.
    """

    body = frame(b"")

    def problem(self, message: bytes) -> str:
        """Says what is wrong with an answer, if anything."""
        return "" if service_pb2.ServerLiveResponse.FromString(message).live else "it is not live"


def compose_request(model: str, rows: NDArray[np.floating]) -> bytes:
    """Returns a serialised `inference.ModelInferRequest`."""
    request = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[rows.tobytes()])
    request.inputs.add(name="input", datatype=DATATYPES[rows.dtype.name], shape=rows.shape)
    return bytes(request.SerializeToString())


def agree(content: bytes, wanted: NDArray[np.generic]) -> bool:
    """Says whether bytes are a tensor, or within the tolerance of it."""
    if content == wanted.tobytes():
        return True
    if len(content) != wanted.nbytes or not np.issubdtype(wanted.dtype, np.floating):
        return False
    return bool(np.allclose(np.frombuffer(content, wanted.dtype), wanted.ravel(), rtol=0, atol=TOLERANCE))


def ask(model: str, graph: bytes, rows: Rows, rows_each: int = 1) -> list[Question]:
    """Returns questions of so many rows each, with the answers of ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    parts: Sequence[Rows] = [rows[start : start + rows_each] for start in range(0, len(rows), rows_each)]
    return [Question(model, part, dict(zip(names, session.run(names, {"input": part}), strict=True))) for part in parts]
