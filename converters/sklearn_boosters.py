"""Boosters of other libraries as a step of a scikit-learn pipeline: skl2onnx learns how to write them."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

from converters.errors import ConversionError
from converters.estimators import last_step, list_estimators
from converters.labels import storable

_ZIPMAP: dict[str, Any] = {
    "nocl": [True, False],
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
}
_RAW_SCORES = {"raw_scores": [True, False]}


@dataclass(frozen=True, slots=True)
class _Singles:
    """An operator as onnxmltools sees it, between casts."""

    raw_operator: Any
    inputs: Any
    input_full_names: list[str]
    output_full_names: list[str]


def register_boosters(model: Any) -> None:
    """Registers the boosters inside a model with skl2onnx.

    Raises:
        ConversionError: There is one that only its own library can write.
    """
    names = {type(part).__name__ for part in list_estimators(model)}
    if type(last_step(model)).__module__.startswith("catboost."):
        raise ConversionError("a CatBoost model inside a pipeline cannot be converted: log it with its own flavor")
    if "lightgbm" in sys.modules and names & {"LGBMClassifier", "LGBMRegressor"}:
        _register_lightgbm()
    if "xgboost" in sys.modules and names & {"XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor"}:
        _register_xgboost()


def _register_lightgbm() -> None:
    from lightgbm import LGBMClassifier, LGBMRegressor  # noqa: PLC0415 - only where a model needs it

    _register(LGBMClassifier, "LightGbmLGBMClassifier", _convert_lightgbm, classifies=True)
    _register(LGBMRegressor, "LightGbmLGBMRegressor", _convert_lightgbm, classifies=False)


def _convert_lightgbm(scope: Any, operator: Any, container: Any) -> None:
    from converters.lightgbm_trees import write_booster  # noqa: PLC0415 - as above

    model, scores = operator.raw_operator, operator.outputs[-1]
    classifies, fresh = len(operator.outputs) > 1, scope.get_unique_variable_name
    linked = not (classifies and container.get_options(model, {"raw_scores": False})["raw_scores"])
    pair = classifies and model.booster_.num_model_per_iteration() == 1
    nodes = write_booster(model.booster_, operator.inputs[0].full_name, fresh, pair=pair, linked=linked)
    nodes.append(helper.make_node("Cast", nodes[-1].output, [scores.full_name], to=_kind_of(scores)))
    if classifies:
        nodes += _best_class(model.classes_, scores.full_name, operator.outputs[0].full_name, fresh)
    for node in nodes:
        how = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        name = scope.get_unique_operator_name(node.op_type)
        container.add_node(node.op_type, list(node.input), list(node.output), op_domain=node.domain, name=name, **how)


def _best_class(classes: Any, scores: str, label: str, fresh: Callable[[str], str]) -> list[onnx.NodeProto]:
    known, best = fresh("classes"), fresh("best")
    return [
        helper.make_node("Constant", [], [known], value=numpy_helper.from_array(storable(classes), known)),
        helper.make_node("ArgMax", [scores], [best], axis=1, keepdims=0),
        helper.make_node("Gather", [known, best], [label]),
    ]


def _kind_of(variable: Any) -> int:
    kind: int = variable.type.to_onnx_type().tensor_type.elem_type
    return kind


def _register_xgboost() -> None:
    from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor  # noqa: PLC0415 - as above

    for kind in (XGBClassifier, XGBRFClassifier):
        _register(kind, f"XGBoost{kind.__name__}", _convert_xgboost, classifies=True)
    for kind in (XGBRegressor, XGBRFRegressor):
        _register(kind, f"XGBoost{kind.__name__}", _convert_xgboost, classifies=False)


def _convert_xgboost(scope: Any, operator: Any, container: Any) -> None:
    """XGBoost rounds what it is fed to singles, and answers singles."""
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost  # noqa: PLC0415 - as above

    from converters.from_xgboost import refuse_wrong_boosters, simplify  # noqa: PLC0415 - as above

    refuse_wrong_boosters(operator.raw_operator)
    singles, answer = scope.get_unique_variable_name("singles"), scope.get_unique_variable_name("answer")
    *labels, scores = operator.outputs
    container.add_node("Cast", [operator.inputs[0].full_name], [singles], to=TensorProto.FLOAT, name=f"{singles}_cast")
    names = [*(label.full_name for label in labels), answer]
    convert_xgboost(scope, _Singles(simplify(operator.raw_operator), operator.inputs, [singles], names), container)
    container.add_node("Cast", [answer], [scores.full_name], to=_kind_of(scores), name=f"{answer}_cast")


def _register(kind: type, alias: str, convert: Any, *, classifies: bool) -> None:
    shapes = calculate_linear_classifier_output_shapes if classifies else calculate_linear_regressor_output_shapes
    options = _ZIPMAP | (_RAW_SCORES if alias.startswith("LightGbm") else {}) if classifies else None
    update_registered_converter(kind, alias, shapes, convert, options=options)
