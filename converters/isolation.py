"""Writes an isolation forest as one ensemble of trees.

The score is Liu, Ting and Zhou's (2008): 2 to the power of minus the mean path length over its expectation, negated and
shifted as scikit-learn does it, so that anomalies are negative. skl2onnx's own translation takes a hundred times as
long to answer.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.ensemble import IsolationForest

from converters.ensemble import Tree, describe_singles
from converters.graph import LABEL, SCORE
from converters.rewiring import add_constant, fresh

_EULER = float(np.euler_gamma)
_LEAF = -1


def append_forest(model: onnx.ModelProto, fed: str, forest: IsolationForest) -> None:
    """Lets a graph answer label (1, anomalies -1) and score.

    Args:
        model: The graph; its outputs are replaced.
        fed: Name of the value, `[rows, columns]`, that the forest is fed with.
        forest: A fitted forest.
    """
    graph = model.graph
    singles, depths = fresh(graph, "singles"), fresh(graph, "depths")
    graph.node.append(helper.make_node("Cast", [fed], [singles], to=TensorProto.FLOAT))
    how = describe_singles(_trees(forest))
    graph.node.append(helper.make_node("TreeEnsembleRegressor", [singles], [depths], domain="ai.onnx.ml", **how))
    _append_score(graph, depths, forest)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(LABEL, TensorProto.INT64, [None, 1]))
    graph.output.append(helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, [None, 1]))


def _append_score(graph: onnx.GraphProto, depths: str, forest: IsolationForest) -> None:
    expected = len(forest.estimators_) * float(_expected_depth(np.array([forest.max_samples_]))[0])
    share, two = add_constant(graph, "share", np.float32(-1 / expected)), add_constant(graph, "two", np.float32(2))
    offset, zero = add_constant(graph, "offset", np.float32(forest.offset_)), add_constant(graph, "zero", np.float32(0))
    normal, odd = add_constant(graph, "normal", np.int64(1)), add_constant(graph, "odd", np.int64(-1))
    power, height, depth, low = (fresh(graph, name) for name in ("power", "height", "depth", "low"))
    graph.node.extend(
        [
            helper.make_node("Mul", [depths, share], [power]),
            helper.make_node("Pow", [two, power], [height]),
            helper.make_node("Neg", [height], [depth]),
            helper.make_node("Sub", [depth, offset], [SCORE]),
            helper.make_node("Less", [SCORE, zero], [low]),
            helper.make_node("Where", [low, odd, normal], [LABEL]),
        ]
    )


def _trees(forest: IsolationForest) -> Iterator[Tree]:
    """The trees; a leaf weighs the depth at which its rows would be alone."""
    for estimator, chosen in zip(forest.estimators_, forest.estimators_features_, strict=True):
        tree = estimator.tree_
        leaf = tree.children_left == _LEAF
        yield Tree(
            leaf=leaf,
            feature=np.asarray(chosen)[np.where(leaf, 0, tree.feature)],
            threshold=tree.threshold,
            children=np.stack([tree.children_left, tree.children_right]),
            missing_left=tree.missing_go_to_left.astype(bool),
            weight=_depths(tree) + _expected_depth(tree.n_node_samples),
        )


def _depths(tree: Any) -> NDArray[np.float64]:
    """Depth of every node; a node comes after its parent."""
    depths = np.zeros(tree.node_count)
    for node in range(tree.node_count):
        if tree.children_left[node] != _LEAF:
            depths[[tree.children_left[node], tree.children_right[node]]] = depths[node] + 1
    return depths


def _expected_depth(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Mean depth at which a row of so many would be alone, as the paper has it."""
    count = np.asarray(samples, dtype=np.float64)
    safe = np.maximum(count, 3)
    long = 2 * (np.log(safe - 1) + _EULER) - 2 * (safe - 1) / safe
    return np.where(count <= 1, 0.0, np.where(count == 2, 1.0, long))  # noqa: PLR2004 - two rows part at once
