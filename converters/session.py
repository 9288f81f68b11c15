"""Runs a graph the way a gateway does: in ONNX Runtime, on one thread."""

import re

import onnxruntime

from converters.errors import ConversionError
from converters.layout import count_rows
from converters.signature import Feeds

_FATAL_ONLY = 4
_CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")


def open_session(content: bytes, *, optimised: bool = True) -> onnxruntime.InferenceSession:
    """Loads a serialised graph.

    Args:
        content: The graph.
        optimised: Whether the runtime may rewrite it, as it does when it serves.

    Raises:
        ConversionError: The runtime does not know the graph's operators, or finds it malformed.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no public base
        raise ConversionError(f"ONNX Runtime cannot load the graph: {_reason(error)}") from error


def run(session: onnxruntime.InferenceSession, feeds: Feeds) -> Feeds:
    """Answers a batch; returns the outputs by name.

    Raises:
        ConversionError: The graph fails on it.
    """
    try:
        answers = session.run(None, dict(feeds))
    except Exception as error:  # as above
        raise ConversionError(f"the graph fails on a batch of {count_rows(feeds)}: {_reason(error)}") from error
    return {output.name: answer for output, answer in zip(session.get_outputs(), answers, strict=True)}


def _reason(error: Exception) -> str:
    """The runtime's words, on one line."""
    return " ".join(_CODE.sub("", str(error)).split())
