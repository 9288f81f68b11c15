"""Converts LightGBM boosters and their scikit-learn wrappers."""

from typing import Any

import numpy as np
import onnx
from lightgbm import Booster, LGBMClassifier, LGBMModel
from onnx import TensorProto, helper

from converters.boosters import make_graph, require_width
from converters.errors import ConversionError
from converters.graph import OPSET, PREDICTION, PROBABILITIES, Graph, Native
from converters.lightgbm_trees import write_booster
from converters.signature import MATRIX, Feeds, InputSpec
from converters.tables import ask, to_matrix

_MULTICLASS = ("multiclass", "multiclassova")


def convert(model: Any, inputs: InputSpec, rows: Feeds) -> Graph:  # noqa: ARG001 - trees need no rows
    """Converts a booster of any of LightGBM's objectives.

    Raises:
        ConversionError: The booster does what the graph would do otherwise.
    """
    booster = model.booster_ if isinstance(model, LGBMModel) else model
    if not isinstance(booster, Booster):
        raise ConversionError(f"{type(model).__name__} is no LightGBM model: log it with its own flavor")
    require_width(inputs, booster.num_feature())
    classes = _classes_of(model, booster)
    graph = _write(booster, pair=classes is not None and booster.num_model_per_iteration() == 1)
    return make_graph(graph, _native(model, inputs, classes), classes)


def _write(booster: Booster, *, pair: bool) -> onnx.ModelProto:
    rows = helper.make_tensor_value_info(MATRIX, TensorProto.DOUBLE, [None, booster.num_feature()])
    nodes = write_booster(booster, MATRIX, str, pair=pair)
    answers = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [None, None])
    graph = helper.make_graph(nodes, "trees", [rows], [answers])
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
    return helper.make_model(graph, opset_imports=opsets)


def _classes_of(model: Any, booster: Booster) -> Any:
    """The classes; None where the objective is no classification."""
    if isinstance(model, LGBMClassifier):
        return model.classes_
    objective = str(booster.dump_model(num_iteration=1).get("objective")).partition(" ")[0]
    if objective == "binary":
        return np.arange(2)
    return np.arange(booster.num_model_per_iteration()) if objective in _MULTICLASS else None


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
