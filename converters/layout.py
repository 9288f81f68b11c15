"""Lays samples out as the tensors that a model is fed with, and back as the table that it was trained on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from converters.errors import ConversionError
from converters.signature import NUMPY_TYPES, Feeds, InputSpec, TensorSpec, number_columns

_MATRIX_DIMENSIONS = 2
_KINDS = {"b": "BOOL", "O": "BYTES", "U": "BYTES", "S": "BYTES", "T": "BYTES"}


def arrange(sample: Any, spec: InputSpec) -> Feeds:
    """Returns a sample as tensors.

    Args:
        sample: A DataFrame, an array `[rows, columns]` in the order of `spec`, or arrays by tensor or column name.
        spec: What the model takes.

    Raises:
        ConversionError: The sample lacks a column, has another width, or holds values of another type.
    """
    tensors = spec.tensors
    if spec.shapes:
        return _arrange_tensors(sample, spec)
    columns = _columns_of(sample, spec)
    if spec.is_matrix:
        return {tensors[0].name: np.column_stack(columns)}
    return {name: column.reshape(-1, 1) for name, column in zip(spec.columns, columns, strict=True)}


def to_frame(feeds: Feeds, spec: InputSpec) -> pd.DataFrame:
    """Returns the table of which `feeds` are the tensors, one row per row of the batch."""
    if spec.is_matrix:
        return pd.DataFrame(feeds[spec.tensors[0].name], columns=list(spec.columns))
    return pd.DataFrame({name: feeds[name][:, 0] for name in spec.columns}, columns=list(spec.columns))


def count_rows(feeds: Feeds) -> int:
    """Returns the number of rows in a batch."""
    return len(next(iter(feeds.values())))


def take(feeds: Feeds, rows: slice | int) -> Feeds:
    """Returns some rows of a batch, or one without the batch's dimension."""
    return {name: array[rows] for name, array in feeds.items()}


def join(batches: list[Feeds]) -> Feeds:
    """Returns one batch with the rows of all.

    Raises:
        ConversionError: Their rows have different shapes.
    """
    for name in batches[0]:
        if len({batch[name].shape[1:] for batch in batches}) > 1:
            raise ConversionError(
                f"the shape of {name!r} depends on the values of the inputs, which cannot be proven: let the model fill"
                " it up to one size"
            )
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def derive_spec(sample: Any) -> InputSpec:
    """Reads what a model takes off a sample of it.

    Raises:
        ConversionError: It is neither a table nor tensors.
    """
    if isinstance(sample, pd.Series):
        return derive_spec(sample.to_frame("text" if sample.name is None else sample.name))
    if isinstance(sample, pd.DataFrame):
        sample = sample.infer_objects()  # numbers may be kept as objects
        kinds = tuple(_datatype_of(sample[name].to_numpy()) for name in sample.columns)
        gaps = frozenset(str(name) for name in sample.columns if sample[name].isna().any())
        return InputSpec(tuple(map(str, sample.columns)), kinds, gaps)
    if isinstance(sample, Mapping):
        arrays = {name: np.asarray(array) for name, array in sample.items()}
        kinds = tuple(map(_datatype_of, arrays.values()))
        return InputSpec(tuple(arrays), kinds, shapes=tuple(array.shape[1:] for array in arrays.values()))
    array = np.asarray(sample)
    if array.ndim == _MATRIX_DIMENSIONS and array.dtype != object:
        return number_columns(array.shape[1], _datatype_of(array))
    if array.ndim == 1 and _datatype_of(array) == "BYTES":
        return InputSpec(("text",), ("BYTES",))
    if array.ndim > _MATRIX_DIMENSIONS:
        return InputSpec(("input",), (_datatype_of(array),), shapes=(array.shape[1:],))
    raise ConversionError(f"a sample of shape {list(array.shape)} is no table: give a DataFrame, or arrays by name")


def _datatype_of(array: NDArray[Any]) -> str:
    if array.dtype.kind in _KINDS:
        return _KINDS[array.dtype.kind]
    return next((name for name, dtype in NUMPY_TYPES.items() if dtype == array.dtype), str(array.dtype))


def _columns_of(sample: Any, spec: InputSpec) -> list[NDArray[Any]]:
    if isinstance(sample, pd.Series):
        sample = sample.to_frame(spec.columns[0])
    if isinstance(sample, Mapping):
        sample = pd.DataFrame({name: np.asarray(array).reshape(len(array)) for name, array in sample.items()})
    if not isinstance(sample, pd.DataFrame):
        sample = _table(np.asarray(sample), spec)
    sample = sample.rename(columns=str)  # numbers in a table without names
    missing = [name for name in spec.columns if name not in sample.columns]
    if missing:
        raise ConversionError(f"the sample has no column {missing[0]!r}: the signature names it")
    named = zip(spec.columns, spec.datatypes, strict=True)
    return [_convert(sample[name], name, datatype) for name, datatype in named]


def _table(array: NDArray[Any], spec: InputSpec) -> pd.DataFrame:
    rows = array.reshape(-1, 1) if array.ndim == 1 and len(spec.columns) == 1 else array
    if rows.ndim != _MATRIX_DIMENSIONS or rows.shape[1] != len(spec.columns):
        raise ConversionError(f"the sample has shape {list(array.shape)}, the model {len(spec.columns)} columns")
    return pd.DataFrame(rows, columns=list(spec.columns))


def _convert(column: "pd.Series[Any]", name: str, datatype: str) -> NDArray[Any]:
    if datatype == "BYTES":
        return np.array(
            ["" if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)], dtype=object
        )
    try:
        return np.ascontiguousarray(column.to_numpy(dtype=NUMPY_TYPES[datatype]))
    except (TypeError, ValueError) as error:
        raise ConversionError(
            f"column {name!r} of the sample is not all {datatype} ({error}): log whole numbers that may be missing"
            " as doubles"
        ) from error


def _arrange_tensors(sample: Any, spec: InputSpec) -> Feeds:
    if isinstance(sample, pd.DataFrame) and len(spec.columns) > 1:
        sample = {str(name): sample[name].to_numpy().reshape(-1, 1) for name in sample.columns}
    if not isinstance(sample, Mapping):
        sample = {spec.columns[0]: np.asarray(sample)} if len(spec.columns) == 1 else {}
    missing = [name for name in spec.columns if name not in sample]
    if missing:
        raise ConversionError(f"the sample has no tensor {missing[0]!r}: give arrays by name")
    return {tensor.name: _fit(np.asarray(sample[tensor.name]), tensor) for tensor in spec.tensors}


def _fit(array: NDArray[Any], tensor: TensorSpec) -> NDArray[Any]:
    if array.ndim == 1 and tensor.dims == (1,):
        array = array.reshape(-1, 1)
    row = array.shape[1:]
    if len(row) != len(tensor.dims) or any(dim not in (-1, size) for dim, size in zip(tensor.dims, row, strict=True)):
        raise ConversionError(
            f"the sample's {tensor.name!r} has shape {list(array.shape)}, a row of the model's {list(tensor.dims)}"
        )
    return np.ascontiguousarray(array.astype(tensor.dtype))
