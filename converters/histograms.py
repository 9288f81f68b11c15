"""Writes histogram boosting on doubles: scikit-learn compares doubles, where skl2onnx would compare singles."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from converters.ensemble import Tree, describe_doubles
from converters.labels import label_best
from converters.rewiring import add_constant, fresh

HISTOGRAMS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)


def append_histograms(model: onnx.ModelProto, fed: str, booster: Any) -> None:
    """Lets a graph answer label and probabilities, or a prediction.

    Args:
        model: The graph; its outputs are replaced.
        fed: Name of the value, `[rows, columns]`, that the booster is fed with.
        booster: A fitted booster without categorical features.
    """
    graph = model.graph
    doubles, raw = fresh(graph, "doubles"), fresh(graph, "raw")
    graph.node.append(helper.make_node("Cast", [fed], [doubles], to=TensorProto.DOUBLE))
    how = describe_doubles(_trees(booster), np.ravel(booster._baseline_prediction))  # noqa: SLF001 - kept nowhere else
    graph.node.append(helper.make_node("TreeEnsembleRegressor", [doubles], [raw], domain="ai.onnx.ml", **how))
    answer = fresh(graph, "answer")
    graph.node.extend(_linked(graph, booster, raw, answer))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(answer, TensorProto.FLOAT, [None, None]))
    if isinstance(booster, HistGradientBoostingClassifier):
        label_best(graph, booster.classes_)


def _linked(graph: onnx.GraphProto, booster: Any, raw: str, answer: str) -> list[onnx.NodeProto]:
    """What the loss makes of the sums of the trees."""
    if isinstance(booster, HistGradientBoostingRegressor):
        logarithmic = booster.loss in ("poisson", "gamma")
        return [helper.make_node("Exp" if logarithmic else "Identity", [raw], [answer])]
    if len(booster.classes_) > 2:  # noqa: PLR2004 - two classes share one sum
        return [helper.make_node("Softmax", [raw], [answer], axis=1)]
    one, positive = add_constant(graph, "one", np.ones(1, dtype=np.float32)), fresh(graph, "positive")
    negative = fresh(graph, "negative")
    return [
        helper.make_node("Sigmoid", [raw], [positive]),
        helper.make_node("Sub", [one, positive], [negative]),
        helper.make_node("Concat", [negative, positive], [answer], axis=1),
    ]


def _trees(booster: Any) -> Iterator[Tree]:
    for iteration in booster._predictors:  # noqa: SLF001 - kept nowhere else
        for target, predictor in enumerate(iteration):
            nodes = predictor.nodes
            yield Tree(
                leaf=nodes["is_leaf"].astype(bool),
                feature=nodes["feature_idx"],
                threshold=nodes["num_threshold"],
                children=np.stack([nodes["left"], nodes["right"]]).astype(np.int64),
                missing_left=nodes["missing_go_to_left"].astype(bool),
                weight=nodes["value"],
                targets=(target,),
            )
