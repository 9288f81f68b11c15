"""Fills missing doubles: the operator that skl2onnx writes for it exists for singles only."""

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx.common._registration import get_converter, register_converter
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.operator_converters.common import concatenate_variables

_ALIAS = "SklearnSimpleImputer"
_original = get_converter(_ALIAS)


def register_imputer() -> None:
    """Lets skl2onnx write imputers of doubles as a choice between value and filling."""
    register_converter(_ALIAS, _convert, overwrite=True)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    imputer = operator.raw_operator
    doubles = all(isinstance(value.type, DoubleTensorType) for value in operator.inputs)
    gaps = isinstance(imputer.missing_values, float) and np.isnan(imputer.missing_values)
    if not (doubles and gaps) or imputer.add_indicator or np.isnan(imputer.statistics_.astype(float)).any():
        _original(scope, operator, container)
        return
    rows = concatenate_variables(scope, operator.inputs, container)
    missing, filling = scope.get_unique_variable_name("missing"), scope.get_unique_variable_name("filling")
    values = imputer.statistics_.astype(np.float64)
    container.add_initializer(filling, TensorProto.DOUBLE, [1, len(values)], values)
    container.add_node("IsNaN", rows, missing, name=scope.get_unique_operator_name("IsNaN"), op_version=20)
    container.add_node(
        "Where",
        [missing, filling, rows],
        operator.outputs[0].full_name,
        name=scope.get_unique_operator_name("Where"),
        op_version=16,
    )
