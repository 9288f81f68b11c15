"""Draws rows around a sample, or from the signature alone, where there are too few real ones to prove a model on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.signature import FLOATS, Feeds, InputSpec, TensorSpec

_FEW = 20  # a column with no more distinct values holds categories or counts, and they are drawn as they are
_SPREAD = 0.1  # of a column's standard deviation
_FREE_DIM = 7  # of a dimension of any size
_WORDS = ("a", "red", "green", "good", "bad", "north", "2026", "order", "customer", "late")


def draw_rows(count: int, spec: InputSpec, sample: Feeds | None) -> Feeds:
    """Draws rows, always the same for the same arguments.

    Columns are drawn one by one from the sample, so that values come together that never did; numbers of many values
    are moved a little besides. Without a sample numbers are drawn around 0, whole ones are 0 or 1.

    Args:
        count: Number of rows.
        spec: What the rows are.
        sample: Real rows; None where there are none.
    """
    random = np.random.default_rng(0)
    if sample is None:
        return {tensor.name: _invent(tensor, count, random) for tensor in spec.tensors}
    return {
        tensor.name: _resample(sample[tensor.name], count, random, whole=bool(spec.shapes)) for tensor in spec.tensors
    }


def _invent(tensor: TensorSpec, count: int, random: np.random.Generator) -> NDArray[Any]:
    shape = (count, *(_FREE_DIM if dim < 0 else dim for dim in tensor.dims))
    if tensor.datatype == "BYTES":
        return random.choice(np.array(_WORDS, dtype=object), shape)
    if tensor.datatype in FLOATS:
        return random.normal(size=shape).astype(tensor.dtype)
    return random.integers(0, 2, shape).astype(tensor.dtype)


def _resample(values: NDArray[Any], count: int, random: np.random.Generator, *, whole: bool) -> NDArray[Any]:
    """Draws `[count, …]`: whole rows of a tensor, or each column of a table for itself."""
    if whole:
        return _move(values[random.integers(0, len(values), count)], values, random)
    columns = [values[random.integers(0, len(values), count), column] for column in range(values.shape[1])]
    moved = [_move(drawn, values[:, column], random) for column, drawn in enumerate(columns)]
    return np.stack(moved, axis=1)


def _move(drawn: NDArray[Any], values: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    if values.dtype.kind != "f" or len(np.unique(values)) <= _FEW or bool((np.mod(values, 1) == 0).all()):
        return drawn
    moved: NDArray[Any] = drawn + random.normal(size=drawn.shape) * np.nanstd(values) * _SPREAD
    return moved.astype(values.dtype)
