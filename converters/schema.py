"""Reads what a model takes from its MLflow signature."""

from typing import Any

from converters.errors import ConversionError
from converters.signature import MATRIX, NUMPY_TYPES, InputSpec, number_columns

_TABLE_DIMENSIONS = 2
_DATATYPES = {
    "boolean": "BOOL",
    "double": "FP64",
    "float": "FP32",
    "integer": "INT32",
    "long": "INT64",
    "string": "BYTES",
}


def read_schema(schema: Any) -> InputSpec:
    """Returns the columns or tensors of an `mlflow.types.Schema`.

    Raises:
        ConversionError: There is none, only some of its columns have names, or its tensors fix their batch.
    """
    if schema is None:
        raise ConversionError("the model has no signature: log it with signature=mlflow.models.infer_signature(...)")
    if schema.is_tensor_spec():
        return _read_tensors(schema)
    if any(column.name for column in schema.inputs) and not all(column.name for column in schema.inputs):
        raise ConversionError(
            "a column of the signature has no name: name all columns, and train and log the model again"
        )
    names = tuple(str(name) for name in schema.input_names())
    kinds = [str(getattr(kind, "name", kind)) for kind in schema.input_types()]
    optional = frozenset(str(column.name) for column in schema.inputs if not column.required)
    return InputSpec(names, tuple(_DATATYPES.get(kind, kind) for kind in kinds), optional)


def _read_tensors(schema: Any) -> InputSpec:
    names = [str(tensor.name or MATRIX) for tensor in schema.inputs]
    for name, tensor in zip(names, schema.inputs, strict=True):
        if not tensor.shape or tensor.shape[0] != -1:
            raise ConversionError(
                f"tensor {name!r} of the signature has shape {list(tensor.shape)}, which fixes the number of rows: log"
                " it with -1 as its first dimension"
            )
    datatypes = tuple(_datatype_of(tensor.type) for tensor in schema.inputs)
    first = schema.inputs[0]
    if len(names) == 1 and first.name is None and len(first.shape) == _TABLE_DIMENSIONS and datatypes[0] != "BYTES":
        return number_columns(first.shape[1], datatypes[0])
    return InputSpec(tuple(names), datatypes, shapes=tuple(tuple(tensor.shape[1:]) for tensor in schema.inputs))


def _datatype_of(dtype: Any) -> str:
    """KServe v2 name of a NumPy type."""
    if dtype.kind in "OSU":
        return "BYTES"
    return next((name for name, known in NUMPY_TYPES.items() if known == dtype), str(dtype))
