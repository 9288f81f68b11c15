"""Converts XGBoost boosters and their scikit-learn wrappers with onnxmltools."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from xgboost import Booster, DMatrix, XGBClassifier, XGBModel, XGBRegressor

from converters.boosters import make_graph, require_width
from converters.errors import ConversionError
from converters.graph import PREDICTION, PROBABILITIES, SINGLES, Graph, Native
from converters.signature import MATRIX, Feeds, InputSpec
from converters.tables import ask, to_matrix

_OPSET = 15  # the newest that onnxmltools writes
_CATEGORICAL = "c"
_WITHOUT_SCORES = {"binary:hinge": "binary:logistic", "multi:softmax": "multi:softprob"}


def convert(model: Any, inputs: InputSpec, rows: Feeds) -> Graph:  # noqa: ARG001 - trees need no rows
    """Converts boosted trees of any objective that onnxmltools knows.

    Raises:
        ConversionError: The booster does what the graph would do otherwise.
    """
    booster = model.get_booster() if isinstance(model, XGBModel) else model
    if not isinstance(booster, Booster):
        raise ConversionError(f"{type(model).__name__} is no XGBoost model: log it with its own flavor")
    require_width(inputs, booster.num_features())
    learner = json.loads(booster.save_config())["learner"]
    _refuse_wrong_boosters(booster, learner)
    objective = learner["objective"]["name"]
    classes = _classes_of(model, learner)
    matrix = [(MATRIX, FloatTensorType([None, booster.num_features()]))]
    try:
        graph = convert_xgboost(
            _shell(_plain(model, booster), objective, classes), initial_types=matrix, target_opset=_OPSET
        )
    except Exception as error:  # onnxmltools raises anything from KeyError to its own types
        raise ConversionError(f"onnxmltools cannot convert the XGBoost model: {error}") from error
    return make_graph(graph, _native(model, booster, inputs, classes), classes, SINGLES)


def _refuse_wrong_boosters(booster: Booster, learner: dict[str, Any]) -> None:
    kind = learner["gradient_booster"]["name"]
    if kind != "gbtree":
        raise ConversionError(
            f"the XGBoost model has booster={kind!r}, which cannot be converted: train it with 'gbtree'"
        )
    if _CATEGORICAL in (booster.feature_types or []):
        raise ConversionError(
            "the XGBoost model was trained with enable_categorical, which cannot be converted: encode the categories as"
            " numbers before it"
        )
    better = _WITHOUT_SCORES.get(learner["objective"]["name"])
    if better:
        raise ConversionError(
            f"the XGBoost model has objective {learner['objective']['name']}, which answers labels alone: train it with"
            f" {better}"
        )


def _classes_of(model: Any, learner: dict[str, Any]) -> Any:
    """The classes; None where the objective is no classification."""
    if isinstance(model, XGBClassifier):
        return model.classes_
    objective = learner["objective"]["name"]
    if objective == "binary:logistic":
        return np.arange(2)
    return np.arange(int(learner["learner_model_param"]["num_class"])) if objective == "multi:softprob" else None


def _plain(model: Any, booster: Booster) -> Booster:
    """A copy with the trees that answer, and columns without names: onnxmltools reads numbers off `f0` and so on."""
    best = model.best_iteration + 1 if isinstance(model, XGBModel) and _stopped_early(booster) else 0
    plain = booster[:best] if best else booster.copy()
    plain.feature_names = None
    plain.set_attr(best_iteration=None, best_score=None)
    return plain


def _stopped_early(booster: Booster) -> bool:
    return booster.attr("best_iteration") is not None


def _shell(booster: Booster, objective: str, classes: Any) -> XGBModel:
    """A wrapper that says what the booster is: onnxmltools takes a bare ranker for a classifier."""
    shell = XGBRegressor(objective=objective) if classes is None else XGBClassifier(objective=objective)
    shell._Booster = booster  # noqa: SLF001 - there is no other way in
    if classes is not None:
        shell.n_classes_ = len(classes)
    return shell


@dataclass(frozen=True, slots=True)
class _Speaker:
    """A bare booster that takes what its wrappers take."""

    booster: Booster

    def predict(self, rows: Any) -> Any:
        """Scores rows with all trees."""
        return self.booster.predict(DMatrix(rows))


def _native(model: Any, booster: Booster, inputs: InputSpec, classes: Any) -> Native:
    speaker = model if isinstance(model, XGBModel) else _Speaker(booster)

    def present(feeds: Feeds) -> Any:
        matrix = to_matrix(feeds, inputs, np.float32)
        return matrix if booster.feature_names is None else pd.DataFrame(matrix, columns=booster.feature_names)

    if isinstance(model, XGBClassifier):
        return ask(speaker, ("label", PROBABILITIES), present)
    scores = ask(speaker, (PREDICTION,), present)
    if classes is None:
        return scores

    def answer(feeds: Feeds) -> Feeds:
        found = scores(feeds)[PREDICTION]
        return {PROBABILITIES: np.hstack([1 - found, found]) if found.shape[1] == 1 else found}

    return answer
