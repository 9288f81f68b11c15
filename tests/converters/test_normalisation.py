"""A graph leaves the normalise pass with true outputs, or not at all."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType

from converters import ConversionError, InputSpec
from converters.graph import BOUNDED, LABEL, PREDICTION, PROBABILITIES, Graph
from converters.layout import arrange
from converters.normalisation import normalise
from converters.quiet import quietly
from converters.session import open_session, run
from tests.converters.graphs import graph_of, row_sums, summing
from tests.converters.samples import COLUMNS, DOUBLES, boosted_trees, draw_rows

ROWS = draw_rows(100)
FEEDS = {"input": ROWS}
CLASSIFIER = (LABEL, PROBABILITIES)


def dims_of(output: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim]


def flat_classifier() -> Graph:
    """Labels as a plain list, probabilities declared with one element."""
    label = helper.make_tensor_value_info("a", TensorProto.INT64, [None])
    probabilities = helper.make_tensor_value_info("b", TensorProto.DOUBLE, [None, None])
    nodes = [
        helper.make_node("ArgMax", ["input"], ["a"], axis=1, keepdims=0),
        helper.make_node("Softmax", ["input"], ["b"]),
    ]
    return graph_of(nodes, [label, probabilities], CLASSIFIER)


def test_flat_labels_become_a_column() -> None:
    model, signature = normalise(flat_classifier(), DOUBLES, FEEDS)
    assert [(output.name, output.dims) for output in signature.outputs] == [("label", (1,)), ("probabilities", (4,))]
    assert [dims_of(output) for output in model.graph.output] == [["rows", 1], ["rows", 4]]
    answers = run(open_session(model.SerializeToString()), FEEDS)
    assert np.array_equal(answers["label"], ROWS.argmax(axis=1, keepdims=True))


def test_the_original_graph_is_left_alone() -> None:
    graph = flat_classifier()
    before = graph.model.SerializeToString()
    normalise(graph, DOUBLES, FEEDS)
    assert graph.model.SerializeToString() == before


def test_maps_are_replaced_by_the_scores_behind_them() -> None:
    trees = boosted_trees(ROWS)
    types = [("input", DoubleTensorType([None, 4]))]
    with quietly():  # skl2onnx hands what protobuf grumbles about
        maps = to_onnx(trees, initial_types=types, target_opset={"": 21, "ai.onnx.ml": 3})
    model, signature = normalise(Graph(maps, row_sums, CLASSIFIER, BOUNDED), DOUBLES, FEEDS)
    assert signature.outputs[1].dims == (2,)
    scores = run(open_session(model.SerializeToString()), FEEDS)[PROBABILITIES]
    assert np.abs(scores - trees.predict_proba(ROWS)).max() < 1e-6


def test_columns_become_a_matrix_and_a_matrix_columns() -> None:
    """The graph takes one matrix of doubles; three doubles and a whole number are served."""
    mixed = InputSpec(COLUMNS, ("FP64", "FP64", "FP64", "INT64"))
    feeds = arrange(ROWS, mixed)
    model, signature = normalise(summing(), mixed, feeds)
    assert [tensor.name for tensor in signature.inputs] == list(COLUMNS)
    answers = run(open_session(model.SerializeToString()), feeds)[PREDICTION]
    assert np.allclose(answers[:, 0], ROWS[:, :3].sum(axis=1) + ROWS[:, 3].astype(int))


def test_a_column_with_the_name_of_an_output_is_refused() -> None:
    mixed = InputSpec(("a", "b", "prediction", "c"), ("FP64", "FP64", "FP64", "INT64"))
    with pytest.raises(ConversionError, match="'prediction' has the name of an output: rename it"):
        normalise(summing(), mixed, arrange(ROWS, mixed))


def test_a_frozen_batch_is_refused() -> None:
    reshape = helper.make_node("Reshape", ["input", "shape"], ["frozen"])
    shape = helper.make_node("Constant", [], ["shape"], value_ints=[2, 4])
    with pytest.raises(ConversionError, match="fails on a batch of 1"):
        normalise(summing(shape, reshape, summed="frozen"), DOUBLES, FEEDS)


def test_an_answer_for_the_whole_batch_is_refused() -> None:
    answer = helper.make_tensor_value_info("sum", TensorProto.DOUBLE, [None, None])
    node = helper.make_node("ReduceSum", ["input", "zero"], ["sum"])
    with pytest.raises(ConversionError, match="for a batch of"):
        normalise(graph_of([node], [answer]), DOUBLES, FEEDS)


def test_missing_outputs_are_refused() -> None:
    graph = summing()
    with pytest.raises(ConversionError, match="answers sum; expected label, probabilities"):
        normalise(Graph(graph.model, row_sums, CLASSIFIER, BOUNDED), DOUBLES, FEEDS)


def test_operators_that_the_runtime_does_not_know_are_refused() -> None:
    graph = summing()
    graph.model.graph.node[0].op_type = "Divination"
    with pytest.raises(ConversionError, match="does not define: Divination"):
        normalise(graph, DOUBLES, FEEDS)
