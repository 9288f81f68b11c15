"""Writes LightGBM's trees on doubles: LightGBM compares doubles, where onnxmltools would compare singles."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
from lightgbm import Booster
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from converters.ensemble import Tree, describe_doubles
from converters.errors import ConversionError

_LARGEST = 1e300
_SIDES = ("left_child", "right_child")
_LOGISTIC = frozenset({"binary", "multiclassova", "cross_entropy"})
_PLAIN = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg")
_RAW = "regression"  # leaves the sums as they are
_LINKS = {
    **dict.fromkeys(_PLAIN, "Identity"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "Exp"),
    "multiclass": "Softmax",  # over the last axis, which is its default
    "cross_entropy_lambda": "Softplus",
}


def write_booster(
    booster: Booster, fed: str, fresh: Callable[[str], str], *, pair: bool, linked: bool = True
) -> list[onnx.NodeProto]:
    """Returns the nodes that answer what a booster predicts, in singles, `[rows, scores]`; the last one answers.

    Args:
        booster: It has numeric splits alone.
        fed: Name of the value, `[rows, columns]`, that it is fed with.
        fresh: Gives a name of the graph that is free.
        pair: Whether its one score is the second of two classes, and the first is to stand before it.
        linked: Whether the objective turns the sums of the trees into scores; else the sums are the scores.

    Raises:
        ConversionError: The booster does what the nodes would do otherwise.
    """
    dumped = booster.dump_model()
    _refuse_wrong_splits(dumped)
    doubles, raw, score = fresh("doubles"), fresh("raw"), fresh("score")
    how = describe_doubles(read_trees(dumped), np.zeros(dumped["num_tree_per_iteration"]))
    return [
        helper.make_node("Cast", [fed], [doubles], to=TensorProto.DOUBLE),
        helper.make_node("TreeEnsembleRegressor", [doubles], [raw], domain="ai.onnx.ml", **how),
        *_linked(str(dumped.get("objective")) if linked else _RAW, raw, score, fresh),
        *(_paired(score, fresh, whole=float(linked)) if pair else ()),
    ]


def _refuse_wrong_splits(dumped: dict[str, Any]) -> None:
    if dumped.get("average_output"):
        raise ConversionError(
            "the LightGBM model has boosting_type 'rf', whose trees are averaged, and ONNX's added up: use 'gbdt'"
        )
    for tree in dumped["tree_info"]:
        for node in _nodes_of(tree):
            if node.get("missing_type") == "Zero":
                raise ConversionError(
                    "the LightGBM model was trained with zero_as_missing, which converts wrongly: train it without, on"
                    " rows whose missing values are NaN"
                )
            if "leaf_coeff" in node:
                raise ConversionError("the LightGBM model has linear_tree, which converts wrongly: train it without")
            if node.get("decision_type") == "==":
                raise ConversionError(
                    "the LightGBM model splits on categorical_feature, which converts wrongly for unknown ones: encode"
                    " the categories as numbers before it"
                )


def _linked(objective: str, raw: str, score: str, fresh: Callable[[str], str]) -> list[onnx.NodeProto]:
    """What the objective makes of the sums of the trees, as the library's `ConvertOutput` has it."""
    name, *settings = objective.split(" ")
    if name in _LOGISTIC:
        steepness, steep = fresh("steepness"), fresh("steep")
        factor = next((each.partition(":")[2] for each in settings if each.startswith("sigmoid:")), "1")
        scaled = [_constant(steepness, float(factor)), helper.make_node("Mul", [raw, steepness], [steep])]
        return [*scaled, helper.make_node("Sigmoid", [steep], [score])]
    if "sqrt" in settings:
        size = fresh("size")
        return [helper.make_node("Abs", [raw], [size]), helper.make_node("Mul", [raw, size], [score])]
    if name not in _LINKS:
        raise ConversionError(
            f"the LightGBM model has objective {name!r}, and what it makes of its trees is not known: train it with one"
            " of LightGBM's own"
        )
    return [helper.make_node(_LINKS[name], [raw], [score])]


def _paired(score: str, fresh: Callable[[str], str], *, whole: float) -> list[onnx.NodeProto]:
    """The score of the first class before that of the second: both add up to `whole`."""
    total, other, both = fresh("total"), fresh("other"), fresh("both")
    return [
        _constant(total, whole),
        helper.make_node("Sub", [total, score], [other]),
        helper.make_node("Concat", [other, score], [both], axis=1),
    ]


def _constant(name: str, value: float) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(value, dtype=np.float32)))


def read_trees(dumped: dict[str, Any]) -> Iterator[Tree]:
    """Reads the trees of a model that `dump_model` wrote."""
    for number, described in enumerate(dumped["tree_info"]):
        nodes = _nodes_of(described)
        places = {id(node): place for place, node in enumerate(nodes)}
        yield Tree(
            leaf=np.array(["split_feature" not in node for node in nodes]),
            feature=np.array([node.get("split_feature", 0) for node in nodes], dtype=np.int64),
            threshold=np.array([_threshold_of(node) for node in nodes]),
            children=np.array([[places.get(id(node.get(side)), 0) for node in nodes] for side in _SIDES]),
            missing_left=np.array([_sends_missing_left(node) for node in nodes]),
            weight=np.array([node.get("leaf_value", 0.0) for node in nodes], dtype=np.float64),
            targets=(number % dumped["num_tree_per_iteration"],),
        )


def read_counts(dumped: dict[str, Any]) -> Iterator[NDArray[np.float64]]:
    """Reads how many training rows reached each node, `[nodes]`, of each of the trees that `read_trees` reads."""
    for described in dumped["tree_info"]:
        counts = [node.get("internal_count", node.get("leaf_count", 0)) for node in _nodes_of(described)]
        yield np.array(counts, dtype=np.float64)


def _threshold_of(node: dict[str, Any]) -> float:
    """A dump writes infinity, which parts missing values from all others, as the largest number that it knows."""
    threshold = float(node.get("threshold", 0.0))
    return math.inf if threshold >= _LARGEST else threshold


def _sends_missing_left(node: dict[str, Any]) -> bool:
    """Where none was missing in training, a missing value counts as 0."""
    return bool(node.get("default_left") if node.get("missing_type") == "NaN" else node.get("threshold", 0) >= 0)


def _nodes_of(tree: dict[str, Any]) -> list[dict[str, Any]]:
    nodes = [tree["tree_structure"]]
    for node in nodes:  # grows as it goes
        nodes.extend(node[side] for side in _SIDES if side in node)
    return nodes
