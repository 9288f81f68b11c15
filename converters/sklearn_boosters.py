"""Boosters of other libraries as a step of a scikit-learn pipeline: skl2onnx learns how to write them."""

import sys
from typing import Any

from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

from converters.errors import ConversionError
from converters.estimators import last_step, list_estimators

_ZIPMAP: dict[str, Any] = {
    "nocl": [True, False],
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
}


def register_boosters(model: Any) -> None:
    """Registers the boosters inside a model with skl2onnx.

    Raises:
        ConversionError: There is one that only its own library can write.
    """
    names = {type(part).__name__ for part in list_estimators(model)}
    if any(name.startswith("CatBoost") for name in names) and last_step(model) is not model:
        raise ConversionError("a CatBoost model inside a pipeline cannot be converted: log it with its own flavor")
    if "lightgbm" in sys.modules and names & {"LGBMClassifier", "LGBMRegressor"}:
        _register_lightgbm()
    if "xgboost" in sys.modules and names & {"XGBClassifier", "XGBRegressor"}:
        _register_xgboost()


def _register_lightgbm() -> None:
    from lightgbm import LGBMClassifier, LGBMRegressor  # noqa: PLC0415 - only where a model needs it
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm  # noqa: PLC0415

    _register(LGBMClassifier, "LightGbmLGBMClassifier", convert_lightgbm, classifies=True)
    _register(LGBMRegressor, "LightGbmLGBMRegressor", convert_lightgbm, classifies=False)


def _register_xgboost() -> None:
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost  # noqa: PLC0415
    from xgboost import XGBClassifier, XGBRegressor  # noqa: PLC0415 - as above

    _register(XGBClassifier, "XGBoostXGBClassifier", convert_xgboost, classifies=True)
    _register(XGBRegressor, "XGBoostXGBRegressor", convert_xgboost, classifies=False)


def _register(kind: type, alias: str, convert: Any, *, classifies: bool) -> None:
    shapes = calculate_linear_classifier_output_shapes if classifies else calculate_linear_regressor_output_shapes
    options = _ZIPMAP if classifies else None
    update_registered_converter(kind, alias, shapes, convert, options=options)
