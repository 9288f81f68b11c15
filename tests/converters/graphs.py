"""Hand-made graphs: some with the faults that the proof and the normalise pass have to find, some of strange shapes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from converters.graph import PREDICTION, UNBOUNDED, Graph
from converters.signature import Feeds
from tests.converters.samples import COLUMNS

FLOAT, DOUBLE, INT64, TEXT = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING
Dims = Sequence[int | str]


def row_sums(feeds: Feeds) -> Feeds:
    """The native model of these graphs: the sum of a row, `[rows, 1]`."""
    return {PREDICTION: np.asarray(feeds["input"], dtype=np.float64).sum(axis=1, keepdims=True)}


def graph_of(
    nodes: Sequence[NodeProto], outputs: Sequence[ValueInfoProto], names: tuple[str, ...] = (PREDICTION,)
) -> Graph:
    """Returns a graph over the one input; `ones` is `[4, 1]`, `zero` the axis 0."""
    constants = {"ones": np.ones((len(COLUMNS), 1)), "zero": np.array([0], dtype=np.int64)}
    rows = helper.make_tensor_value_info("input", DOUBLE, [None, len(COLUMNS)])
    return Graph(model_of(nodes, [rows], outputs, constants), row_sums, names, UNBOUNDED)


def summing(*before: NodeProto, summed: str = "input") -> Graph:
    """Returns a regressor that adds up a row of `summed`, which the nodes before may make."""
    answer = helper.make_tensor_value_info("sum", DOUBLE, [None, 1])
    return graph_of([*before, helper.make_node("MatMul", [summed, "ones"], ["sum"])], [answer])


def model_of(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    constants: Mapping[str, NDArray[Any]] | None = None,
) -> onnx.ModelProto:
    """Returns a model of today's operators."""
    known = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    body = helper.make_graph(nodes, "made by hand", inputs, outputs, known)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(body, opset_imports=opsets, ir_version=10)


def value(name: str, dims: Dims, kind: int = FLOAT) -> ValueInfoProto:
    """Describes an input or output."""
    return helper.make_tensor_value_info(name, kind, dims)
