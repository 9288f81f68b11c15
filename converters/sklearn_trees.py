"""Trees of scikit-learn: where they round their inputs, and where ONNX would round them otherwise."""

import copy
from typing import Any

import numpy as np
import onnx
from skl2onnx.sklapi import CastTransformer
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.tree import BaseDecisionTree

from converters.errors import ConversionError
from converters.estimators import last_step, list_estimators
from converters.histograms import HISTOGRAMS
from converters.signature import InputSpec

_TREES = (
    BaseDecisionTree,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)


def takes_singles(model: Any) -> bool:
    """Whether the first thing that happens to the rows is trees, or a cast to singles."""
    first = model.steps[0][1] if isinstance(model, Pipeline) else model
    return isinstance(first, (*_TREES, *HISTOGRAMS, CastTransformer))


def single_precision_trees(model: Any) -> Any:
    """Returns a model that answers the same, whose trees get singles by a cast of their own.

    These trees round what they are fed to singles, whatever it is. Before them everything is computed in doubles: in
    singles a scaler's result would lie on the other side of some thresholds.
    """
    if isinstance(model, _TREES):
        return make_pipeline(CastTransformer(dtype=np.float32), model)
    changed = copy.copy(model)
    if isinstance(model, Pipeline):
        changed.steps = [*model.steps[:-1], (model.steps[-1][0], single_precision_trees(model.steps[-1][1]))]
    elif isinstance(model, VotingClassifier | VotingRegressor):
        changed.estimators_ = [single_precision_trees(part) for part in model.estimators_]
        if isinstance(model, VotingClassifier):
            changed.flatten_transform = False  # says nothing of what is predicted, and skl2onnx knows no other
            changed.weights = None if model.weights is None else np.asarray(model.weights)  # it takes no list
    return changed


def refuse_wrong_histograms(model: Any, inputs: InputSpec) -> None:
    """Histogram boosting converts faithfully only on numeric splits; as a part of others only from single precision.

    Raises:
        ConversionError: The model is such.
    """
    parts = list(list_estimators(model))
    histograms = [part for part in parts if isinstance(part, HISTOGRAMS) and hasattr(part, "is_categorical_")]
    for part in histograms:  # fitted ones: others are patterns that ensembles were made after
        if part.is_categorical_ is not None:  # written as numeric splits: more than a quarter of the labels flip
            raise ConversionError(
                f"{type(part).__name__} uses categorical_features, which convert wrongly:"
                " encode the categories as numbers in a step before it"
            )
    if any(part is not last_step(model) for part in histograms) and not _sees_singles(parts, inputs):
        raise ConversionError(
            f"{type(histograms[0]).__name__} is a part of another model and fed doubles, but its ONNX operator compares"
            " singles: train it behind a CastTransformer(dtype=np.float32) from skl2onnx.sklapi"
        )


def send_missing_values(graph: onnx.GraphProto, model: Any) -> None:
    """Lets rows without a value go where the trees send them; skl2onnx sends them all to the right.

    Args:
        graph: What skl2onnx made of the model.
        model: A tree, a forest, or a pipeline that ends in one; others stay as they are.
    """
    last = last_step(model)
    trees = [part.tree_ for part in getattr(last, "estimators_", [last]) if isinstance(part, BaseDecisionTree)]
    nodes = [node for node in graph.node if node.op_type.startswith("TreeEnsemble")]
    if not trees or len(nodes) != 1:
        return
    named = {attribute.name: attribute for attribute in nodes[0].attribute}
    places = list(zip(named["nodes_treeids"].ints, named["nodes_nodeids"].ints, strict=True))
    modes = named["nodes_modes"].strings
    sent = [
        int(mode != b"LEAF" and trees[tree].missing_go_to_left[node])
        for (tree, node), mode in zip(places, modes, strict=True)
    ]
    named["nodes_missing_value_tracks_true"].ints[:] = sent


def advise_on_trees(model: Any) -> str:
    """What to change where trees behind steps that compute answer otherwise; empty for other models."""
    if isinstance(model, Pipeline) and isinstance(last_step(model), HISTOGRAMS):
        return (
            "its trees compare what the steps before them compute, to the last digit: train them behind a"
            " CastTransformer(dtype=np.float32) from skl2onnx.sklapi"
        )
    return ""


def compares_doubles(model: Any, inputs: InputSpec) -> bool:
    """Whether the last step is histogram boosting on doubles."""
    return isinstance(last_step(model), HISTOGRAMS) and not _sees_singles(list(list_estimators(model)), inputs)


def _sees_singles(parts: list[BaseEstimator], inputs: InputSpec) -> bool:
    """Whether all that trees compare are singles: rows without steps that compute, or behind a cast."""
    cast = any(isinstance(part, CastTransformer) and np.dtype(part.dtype) == np.float32 for part in parts)
    return cast or (all(datatype == "FP32" for datatype in inputs.datatypes) and len(parts) == 1)
