"""Divides rows by their norm, as scikit-learn does it.

skl2onnx would divide a row of zeros by zero, and take the largest value for the norm `max`, not the largest size.
"""

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx.common._registration import get_converter, register_converter
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.operator_converters.common import concatenate_variables

_ALIAS = "SklearnNormalizer"
_NORMS = {"l1": "ReduceL1", "l2": "ReduceL2", "max": "ReduceMax"}
_original = get_converter(_ALIAS)


def register_normalizer() -> None:
    """Lets skl2onnx write the norms of doubles with a guard."""
    register_converter(_ALIAS, _convert, overwrite=True)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    if not all(isinstance(value.type, DoubleTensorType) for value in operator.inputs):
        _original(scope, operator, container)
        return
    rows = concatenate_variables(scope, operator.inputs, container)
    names = ("axis", "nothing", "one", "sizes", "length", "empty", "divisor")
    axis, nothing, one, sizes, length, empty, divisor = (scope.get_unique_variable_name(name) for name in names)
    container.add_initializer(axis, TensorProto.INT64, [1], np.array([1]))
    container.add_initializer(nothing, TensorProto.DOUBLE, [1], np.zeros(1))
    container.add_initializer(one, TensorProto.DOUBLE, [1], np.ones(1))
    for kind, fed, answer, version in (
        ("Abs", [rows], sizes, 13),
        (_NORMS[operator.raw_operator.norm], [sizes, axis], length, 18),
        ("Equal", [length, nothing], empty, 19),
        ("Where", [empty, one, length], divisor, 16),
        ("Div", [rows, divisor], operator.outputs[0].full_name, 14),
    ):
        container.add_node(kind, fed, answer, name=scope.get_unique_operator_name(kind), op_version=version)
