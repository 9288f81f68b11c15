"""Hand-made graphs with the faults that the proof and the normalise pass have to find."""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from converters.graph import Graph, Task
from converters.signature import Rows
from tests.converters.samples import COLUMNS


def row_sums(rows: Rows) -> NDArray[np.float64]:
    """The native model of these graphs: the sum of a row, `[rows, 1]`."""
    sums: NDArray[np.float64] = np.asarray(rows, dtype=np.float64).sum(axis=1, keepdims=True)
    return sums


def graph_of(nodes: Sequence[NodeProto], outputs: Sequence[ValueInfoProto], task: Task) -> Graph:
    """Returns a graph over the one input; `ones` is `[4, 1]`, `zero` the axis 0."""
    constants = [
        numpy_helper.from_array(np.ones((len(COLUMNS), 1)), "ones"),
        numpy_helper.from_array(np.array([0], dtype=np.int64), "zero"),
    ]
    rows = helper.make_tensor_value_info("input", TensorProto.DOUBLE, [None, len(COLUMNS)])
    body = helper.make_graph(nodes, "made by hand", [rows], outputs, constants)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(model)
    return Graph(model, row_sums, task)


def summing(*before: NodeProto, summed: str = "input") -> Graph:
    """Returns a regressor that adds up a row of `summed`, which the nodes before may make."""
    answer = helper.make_tensor_value_info("sum", TensorProto.DOUBLE, [None, 1])
    nodes = [*before, helper.make_node("MatMul", [summed, "ones"], ["sum"])]
    return graph_of(nodes, [answer], Task.REGRESSION)
