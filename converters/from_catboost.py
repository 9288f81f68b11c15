"""Converts CatBoost models with CatBoost's own exporter."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from catboost import CatBoost, CatBoostClassifier

from converters.boosters import CLASSIFICATION, REGRESSION, make_graph, require_width
from converters.errors import ConversionError
from converters.graph import Graph
from converters.rewiring import append_behind
from converters.signature import Feeds, InputSpec
from converters.tables import ask, to_matrix

_SYMMETRIC = "SymmetricTree"
_EVEN = 0.5
_SEVERAL = "cannot export, as it answers several numbers a row: train a model for each"
_EXPORTED_WRONGLY = {
    "MultiClassOneVsAll": "exports as if it were MultiClass: train it with that",
    "MultiRMSE": _SEVERAL,
    "MultiQuantile": _SEVERAL,
    "RMSEWithUncertainty": _SEVERAL,
    "MultiLogloss": _SEVERAL,
    "MultiCrossEntropy": _SEVERAL,
}
_LOGARITHMIC = ("Poisson", "Tweedie")


def convert(model: Any, inputs: InputSpec, rows: Feeds) -> Graph:  # noqa: ARG001 - trees need no rows
    """Converts a model on numbers.

    Raises:
        ConversionError: It is not trained, or splits on categories or texts, which CatBoost cannot export.
    """
    if not isinstance(model, CatBoost):
        raise ConversionError(f"{type(model).__name__} is no CatBoost model: log it with its own flavor")
    if not model.is_fitted():
        raise ConversionError(f"{type(model).__name__} is not fitted: train it before logging it")
    _refuse_categories(model)
    if any(isinstance(label, bool | np.bool_) for label in model.classes_):
        raise ConversionError("the CatBoost model was trained on labels True and False: train it on 1 and 0")
    _refuse_wrong_exports(model)
    require_width(inputs, len(model.feature_names_))
    classifies = isinstance(model, CatBoostClassifier)
    if len(model.classes_) and not classifies:
        raise ConversionError("the CatBoost model classifies: train it as a CatBoostClassifier")
    outputs = CLASSIFICATION if classifies else REGRESSION
    native = ask(model, outputs, lambda feeds: to_matrix(feeds, inputs, np.float32))
    return make_graph(_exponentiated(_export(model), model), native, model.classes_ if classifies else None)


def _refuse_categories(model: CatBoost) -> None:
    for kind, found in (
        ("cat_features", model.get_cat_feature_indices()),
        ("text_features", model.get_text_feature_indices()),
        ("embedding_features", model.get_embedding_feature_indices()),
    ):
        if found:
            raise ConversionError(
                f"the CatBoost model was trained with {kind}, which it cannot export: encode them as numbers before it"
            )


def _refuse_wrong_exports(model: CatBoost) -> None:
    """CatBoost exports sums of the trees, and what two or more classes make of them."""
    settings = model.get_all_params()
    loss = str(settings.get("loss_function")).partition(":")[0]
    policy = settings.get("grow_policy", _SYMMETRIC)
    if policy != _SYMMETRIC:
        raise ConversionError(
            f"the CatBoost model has grow_policy={policy!r}, which it cannot export: train it with {_SYMMETRIC!r}"
        )
    if loss in _EXPORTED_WRONGLY:
        raise ConversionError(f"the CatBoost model has loss_function={loss!r}, which it {_EXPORTED_WRONGLY[loss]}")
    pair = isinstance(model, CatBoostClassifier) and len(model.classes_) == 2  # noqa: PLR2004 - others have none
    if pair and model.get_probability_threshold() != _EVEN:
        raise ConversionError(
            "the CatBoost model labels by a probability threshold of its own, which it does not export: reset it, and"
            " decide by the probabilities"
        )


def _exponentiated(graph: onnx.ModelProto, model: CatBoost) -> onnx.ModelProto:
    """CatBoost exports the logarithm of what these losses predict."""
    if str(model.get_all_params().get("loss_function")).partition(":")[0] in _LOGARITHMIC:
        append_behind(graph.graph, graph.graph.output[0], "Exp")
    return graph


def _export(model: CatBoost) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory(prefix="gapura-") as name:
        path = Path(name) / "model.onnx"
        try:
            model.save_model(str(path), format="onnx")
        except Exception as error:  # the library has one error for all
            raise ConversionError(f"CatBoost cannot export the model: {error}") from error
        return onnx.load(path)
