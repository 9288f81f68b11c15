"""Turns features, in whatever form a caller has them, into the tensors that a model takes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gapura_client.hub_client.arrays import Array, typed
from gapura_client.hub_client.errors import InvalidFeatures
from gapura_client.hub_client.layouts import InputTensor, Layout

FORMS = "pass a DataFrame, a dict of columns, a list of dicts, or rows of values in the model's order"


def tensors_of(features: Any, layout: Layout) -> list[Array]:
    """Returns an array for each input of the layout, with equally many rows.

    Args:
        features: Anything that has named `columns`, a dict of columns, a list of dicts with a row each, or rows of
            values in the model's order. For a model that takes no table, a dict of arrays by the names of its inputs,
            or the array of its only input.
        layout: What the model takes.

    Raises:
        InvalidFeatures: They do not fit; the message says what to change.
    """
    table = _named(features, layout)
    arrays = _positional(features, layout) if table is None else _by_name(table, layout)
    if layout.most_rows and len({len(array) for array in arrays}) > 1:
        raise InvalidFeatures("columns of unequal lengths: give each as many values")
    return arrays


def _named(features: Any, layout: Layout) -> Mapping[str, Any] | None:
    """Returns values by name, where the features have names."""
    if isinstance(features, Mapping):
        return features
    if hasattr(features, "columns"):
        names = [str(name) for name in features.columns]
        if len(set(names)) < len(names):
            raise InvalidFeatures("several columns have the same name: keep one of each")
        return {name: features[column] for name, column in zip(names, features.columns, strict=True)}
    if isinstance(features, Sequence) and features and isinstance(features[0], Mapping):
        return _columns_of(features, layout)
    return None


def _columns_of(rows: Sequence[Mapping[str, Any]], layout: Layout) -> Mapping[str, Any]:
    """Returns rows as columns; every row has all of them."""
    names = layout.columns or tuple(rows[0])
    for number, row in enumerate(rows):
        _check_names(row, names, f" in row {number}")
    return {name: [row[name] for row in rows] for name in names}


def _by_name(table: Mapping[str, Any], layout: Layout) -> list[Array]:
    columns = layout.columns
    _check_names(table, columns or [tensor.name for tensor in layout.inputs], "", is_table=bool(columns))
    if not columns:
        return [_whole(table[tensor.name], tensor, layout) for tensor in layout.inputs]
    return [_stack([table[column] for column in tensor.columns], tensor) for tensor in layout.inputs]


def _check_names(given: Iterable[str], known: Sequence[str], where: str, *, is_table: bool = True) -> None:
    """Checks that what is given has the names that are known, and no others.

    Raises:
        InvalidFeatures: Some are missing or not known.
    """
    given = list(map(str, given))
    kind = "columns" if is_table else "inputs"
    missing = [name for name in known if name not in given]
    unknown = [name for name in given if name not in known]
    if not is_table and len(known) == 1 and missing:
        raise InvalidFeatures(
            f"the gateway does not tell the columns of this model: pass rows of values in the model's order, or "
            f"{{{known[0]!r}: rows}}"
        )
    if missing:
        told = f"missing {kind}{where}: {', '.join(missing)}; add them, with None or NaN where a number is unknown"
        raise InvalidFeatures(told + (f"; not known: {', '.join(unknown)}" if unknown else ""))
    if unknown:
        raise InvalidFeatures(
            f"unknown {kind}{where}: {', '.join(unknown)}; drop them, the model takes {', '.join(known)}"
        )


def _stack(columns: Sequence[Any], tensor: InputTensor) -> Array:
    """Returns `[rows, columns]` of columns of values."""
    parts = []
    for name, values in zip(tensor.columns, columns, strict=True):
        array = typed(values, tensor.datatype, f"column {name!r}")
        if array.ndim != 1:
            raise InvalidFeatures(f"column {name!r} has no list of values; for a single row pass a list of one dict")
        parts.append(array)
    if len(set(map(len, parts))) > 1:
        raise InvalidFeatures("columns of unequal lengths: give each as many values")
    return np.stack(parts, axis=1)


def _positional(features: Any, layout: Layout) -> list[Array]:
    """Returns the tensors of rows of values."""
    if len(layout.inputs) == 1:
        return [_whole(features, layout.inputs[0], layout)]
    columns = layout.columns
    if not columns:
        names = ", ".join(tensor.name for tensor in layout.inputs)
        raise InvalidFeatures(f"the model has several inputs: pass a dict with an array for each of {names}")
    rows = list(features) if isinstance(features, Iterable) and not isinstance(features, str | bytes) else []
    widths = {len(row) if isinstance(row, Sequence | np.ndarray) and not isinstance(row, str) else 0 for row in rows}
    if widths != {len(columns)}:
        raise InvalidFeatures(f"{FORMS}: {len(columns)} values a row, {', '.join(columns)}")
    named = dict(zip(columns, zip(*rows, strict=True), strict=True))
    return [_stack([named[column] for column in tensor.columns], tensor) for tensor in layout.inputs]


def _whole(values: Any, tensor: InputTensor, layout: Layout) -> Array:
    """Returns one tensor of an array; rows of a model that takes batches come first."""
    array = typed(values, tensor.datatype, f"input {tensor.name!r}")
    row = array.shape[1:] if layout.most_rows else array.shape
    enough = array.ndim > 0 or not layout.most_rows
    if (
        not enough
        or len(row) != len(tensor.dims)
        or any(d not in (-1, s) for d, s in zip(tensor.dims, row, strict=True))
    ):
        raise InvalidFeatures(_misfit(array, tensor, layout))
    return array


def _misfit(array: Array, tensor: InputTensor, layout: Layout) -> str:
    """Says what is wrong with the shape of an array."""
    if tensor.columns and array.ndim == 2:  # noqa: PLR2004 - rows of values
        named = ", ".join(tensor.columns)
        return f"rows have {array.shape[1]} values: the model takes {len(tensor.columns)}, {named}"
    if array.ndim == len(tensor.dims) and layout.most_rows:
        return f"{FORMS}; for a single row pass [row]"
    wanted = ", ".join("any" if size == -1 else str(size) for size in tensor.dims)
    each = "rows of shape" if layout.most_rows else "the shape"
    return f"input {tensor.name!r} has the shape {array.shape}: the model takes {each} ({wanted})"
