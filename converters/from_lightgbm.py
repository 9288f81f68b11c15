"""Converts LightGBM boosters and their scikit-learn wrappers with onnxmltools."""

from typing import Any

import numpy as np
from lightgbm import Booster, LGBMClassifier, LGBMModel
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from converters.boosters import make_graph, require_width
from converters.errors import ConversionError
from converters.graph import PREDICTION, PROBABILITIES, Graph, Native
from converters.signature import MATRIX, Feeds, InputSpec
from converters.tables import ask, to_matrix

_MULTICLASS = ("multiclass", "multiclassova", "softmax", "multiclass_ova")
_OPSET = 15  # the newest that onnxmltools writes


def convert(model: Any, inputs: InputSpec, rows: Feeds) -> Graph:  # noqa: ARG001 - trees need no rows
    """Converts a booster of any objective that onnxmltools knows.

    Raises:
        ConversionError: The booster does what the graph would do otherwise.
    """
    booster = model.booster_ if isinstance(model, LGBMModel) else model
    if not isinstance(booster, Booster):
        raise ConversionError(f"{type(model).__name__} is no LightGBM model: log it with its own flavor")
    require_width(inputs, booster.num_feature())
    dumped = booster.dump_model()
    _refuse_wrong_splits(dumped)
    matrix = [(MATRIX, FloatTensorType([None, booster.num_feature()]))]
    try:
        graph = convert_lightgbm(booster, initial_types=matrix, target_opset=_OPSET, zipmap=False)
    except Exception as error:  # onnxmltools raises anything from KeyError to its own types
        raise ConversionError(f"onnxmltools cannot convert the LightGBM model: {error}") from error
    classes = _classes_of(model, dumped)
    return make_graph(graph, _native(model, inputs, classes), classes)


def _classes_of(model: Any, dumped: dict[str, Any]) -> Any:
    """The classes; None where the objective is no classification."""
    if isinstance(model, LGBMClassifier):
        return model.classes_
    objective = str(dumped.get("objective", "")).split(" ")[0]
    if objective == "binary":
        return np.arange(2)
    return np.arange(dumped["num_class"]) if objective in _MULTICLASS else None


def _refuse_wrong_splits(dumped: dict[str, Any]) -> None:
    if dumped.get("average_output"):
        raise ConversionError(
            "the LightGBM model has boosting_type 'rf', whose trees are averaged, and ONNX's added up: use 'gbdt'"
        )
    for tree in dumped["tree_info"]:
        for node in _nodes(tree["tree_structure"]):
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


def _nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    children = [node[side] for side in ("left_child", "right_child") if side in node]
    return [node, *(inner for child in children for inner in _nodes(child))]


def _native(model: Any, inputs: InputSpec, classes: Any) -> Native:
    if isinstance(model, LGBMClassifier):
        return ask(model, ("label", PROBABILITIES), lambda feeds: to_matrix(feeds, inputs))
    scores = ask(model, (PREDICTION,), lambda feeds: to_matrix(feeds, inputs))
    if classes is None:
        return scores

    def answer(feeds: Feeds) -> Feeds:
        found = scores(feeds)[PREDICTION]
        return {PROBABILITIES: np.hstack([1 - found, found]) if found.shape[1] == 1 else found}

    return answer
