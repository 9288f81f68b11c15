"""Runs a graph the way a gateway does: in ONNX Runtime, on one thread."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from converters.errors import ConversionError
from converters.signature import Rows

_FATAL_ONLY = 4


def open_session(content: bytes) -> onnxruntime.InferenceSession:
    """Loads a serialised graph.

    Raises:
        ConversionError: The runtime does not know the graph's operators, or finds it malformed.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no public base
        raise ConversionError(f"ONNX Runtime cannot load the graph: {error}") from error


def run(session: onnxruntime.InferenceSession, rows: Rows) -> dict[str, NDArray[Any]]:
    """Answers a batch `[rows, columns]`; returns the outputs by name.

    Raises:
        ConversionError: The graph fails on this number of rows.
    """
    try:
        answers = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(rows)})
    except Exception as error:  # as above
        raise ConversionError(f"the graph fails on a batch of {len(rows)}: {error}") from error
    return {output.name: answer for output, answer in zip(session.get_outputs(), answers, strict=True)}
