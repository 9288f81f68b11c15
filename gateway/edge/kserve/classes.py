"""Triton's classification extension: the best k elements of an output, as text."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.errors import InvalidRequest
from gateway.tensors import LENGTH_BYTES, NUMPY_TYPES
from gateway.types import Buffer, TensorSpec

# Datatypes of which Triton has classes.
CLASSIFIED = frozenset(NUMPY_TYPES) - {"BOOL", "FP16"}

# Of one output: more would hold up the event loop.
MOST_CLASSES = 32_768

# Rows up to here are sorted whole, and all at once; of a wider one only the best are.
SORTED_COLUMNS = 256


def classify(data: Buffer, spec: TensorSpec, rows: int, shape: tuple[int, ...], most: int) -> tuple[int, bytes]:
    """Ranks the elements of every row: the greatest first, equal ones in their order, NaN last.

    Args:
        data: The output's elements, row-major, little-endian.
        spec: What the signature says of the output; its columns are the labels.
        rows: Number of rows.
        shape: Shape of one row.
        most: How many are wanted of each row.

    Returns:
        How many there are of each row, and `value:index` or `value:index:label` of each as BYTES, the best first.

    Raises:
        InvalidRequest: They are too many.
    """
    count = min(most, prod(shape))
    if rows * count > MOST_CLASSES:
        raise InvalidRequest(
            "INVALID_TENSOR",
            f"output '{spec.name}' of {rows} rows with {count} classes each makes {rows * count} texts, and an answer "
            f"has {MOST_CLASSES} at most: ask for fewer classes, or without classification for the tensor itself",
            tensor=spec.name,
        )
    values = np.frombuffer(data, NUMPY_TYPES[spec.datatype]).reshape(rows, prod(shape))
    order = rank(values, count)
    return count, b"".join(describe(np.take_along_axis(values, order, 1), order, spec.columns))


def rank(values: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Returns where the greatest `count` values of each row are, `[rows, count]`."""
    keys = -values if values.dtype.kind == "f" else ~values  # the least key is of the greatest value; nothing overflows
    if values.shape[1] <= SORTED_COLUMNS:
        return np.argsort(keys, axis=1, kind="stable")[:, :count]
    return np.array([rank_wide(row, count) for row in keys], np.intp).reshape(len(keys), count)


def rank_wide(keys: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Returns where the least `count` keys are, in a time that grows with their number alone once they are found."""
    last = np.partition(keys, count - 1)[count - 1]
    before, equal = (~np.isnan(keys), np.isnan(keys)) if last != last else (keys < last, keys == last)  # noqa: PLR0124 - NaN
    found = np.flatnonzero(before)
    return np.concatenate((found[np.argsort(keys[found], kind="stable")], np.flatnonzero(equal)[: count - len(found)]))


def describe(values: NDArray[Any], order: NDArray[np.intp], labels: Sequence[str]) -> Iterator[bytes]:
    """Writes values and where they are as Triton does, as BYTES elements."""
    form = "%f:%d%s" if values.dtype.kind == "f" else "%d:%d%s"
    endings = [f":{label}" if label else "" for label in labels]
    for value, index in zip(values.ravel().tolist(), order.ravel().tolist(), strict=True):
        text = (form % (value, index, endings[index] if index < len(endings) else "")).encode()
        yield len(text).to_bytes(LENGTH_BYTES, "little") + text
