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
_WRITTEN_WRONGLY = {
    "binary:logitraw": "binary:logistic",
    "reg:logistic": "binary:logistic",
    "survival:aft": "an objective of regression",
    "survival:cox": "an objective of regression",
}
_WITHOUT_SCORES = {"binary:hinge": "binary:logistic", "multi:softmax": "multi:softprob"}


def convert(model: Any, inputs: InputSpec, rows: Feeds) -> Graph:  # noqa: ARG001 - trees need no rows
    """Converts boosted trees of any objective that onnxmltools knows.

    Raises:
        ConversionError: The booster does what the graph would do otherwise.
    """
    if not isinstance(model, Booster | XGBModel):
        raise ConversionError(f"{type(model).__name__} is no XGBoost model: log it with its own flavor")
    booster = _booster_of(model)
    require_width(inputs, booster.num_features())
    refuse_wrong_boosters(model)
    classes = _classes_of(model)
    matrix = [(MATRIX, FloatTensorType([None, booster.num_features()]))]
    try:
        graph = convert_xgboost(simplify(model), initial_types=matrix, target_opset=_OPSET)
    except Exception as error:  # onnxmltools raises anything from KeyError to its own types
        raise ConversionError(f"onnxmltools cannot convert the XGBoost model: {error}") from error
    return make_graph(graph, _native(model, booster, inputs, classes), classes, SINGLES)


def simplify(model: Booster | XGBModel) -> XGBModel:
    """Returns a wrapper that says what the model is: onnxmltools takes a bare ranker for a classifier.

    It has the trees that answer, and its columns no names: onnxmltools reads numbers off `f0` and so on.
    """
    booster, classes = _booster_of(model), _classes_of(model)
    objective = _learner_of(booster)["objective"]["name"]
    shell = XGBRegressor(objective=objective) if classes is None else XGBClassifier(objective=objective)
    shell._Booster = _plain(model, booster)  # noqa: SLF001 - there is no other way in
    if classes is not None:
        shell.n_classes_ = len(classes)
    return shell


def refuse_wrong_boosters(model: Booster | XGBModel) -> None:
    """Refuses what onnxmltools cannot write, or writes wrongly.

    Raises:
        ConversionError: The model is such.
    """
    booster = _booster_of(model)
    learner = _learner_of(booster)
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
    missing = getattr(model, "missing", None)
    if missing is not None and not np.isnan(missing):
        raise ConversionError(
            f"the XGBoost model takes missing={missing:g} for a missing value, which ONNX cannot: train it on rows"
            " whose missing values are NaN"
        )
    _refuse_wrong_objectives(learner)


def _refuse_wrong_objectives(learner: dict[str, Any]) -> None:
    name = learner["objective"]["name"]
    better = _WITHOUT_SCORES.get(name)
    if better:
        raise ConversionError(
            f"the XGBoost model has objective {name}, which answers labels alone: train it with {better}"
        )
    if int(learner["learner_model_param"].get("num_target", 1)) > 1:
        raise ConversionError(
            "the XGBoost model has several targets, which cannot be converted: train a model for each of them, as"
            " sklearn.multioutput.MultiOutputRegressor does"
        )
    if name in _WRITTEN_WRONGLY:
        raise ConversionError(
            f"the XGBoost model has objective {name}, which cannot be converted: train it with {_WRITTEN_WRONGLY[name]}"
        )


def _booster_of(model: Booster | XGBModel) -> Booster:
    return model.get_booster() if isinstance(model, XGBModel) else model


def _learner_of(booster: Booster) -> dict[str, Any]:
    learner: dict[str, Any] = json.loads(booster.save_config())["learner"]
    return learner


def _classes_of(model: Booster | XGBModel) -> Any:
    """The classes; None where the objective is no classification."""
    if isinstance(model, XGBClassifier):
        return model.classes_
    learner = _learner_of(_booster_of(model))
    objective = learner["objective"]["name"]
    if objective == "binary:logistic":
        return np.arange(2)
    return np.arange(int(learner["learner_model_param"]["num_class"])) if objective == "multi:softprob" else None


def _plain(model: Any, booster: Booster) -> Booster:
    """A copy with the trees that answer, and columns without names."""
    best = model.best_iteration + 1 if isinstance(model, XGBModel) and _stopped_early(booster) else 0
    plain = booster[:best] if best else booster.copy()
    plain.feature_names = None
    plain.set_attr(best_iteration=None, best_score=None)
    return plain


def _stopped_early(booster: Booster) -> bool:
    return booster.attr("best_iteration") is not None


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
