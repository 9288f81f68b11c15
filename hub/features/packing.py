"""Packs many rows at once: with numpy where all columns have a fixed size, else one by one."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from gapura_features import FeatureType, Schema
from gapura_features.packed import FORMAT, RowFormat

_FIXED = {
    FeatureType.FLOAT32: "<f4",
    FeatureType.FLOAT64: "<f8",
    FeatureType.INT32: "<i4",
    FeatureType.INT64: "<i8",
    FeatureType.BOOL: "?",
}

ARROW_TYPES = {
    FeatureType.FLOAT32: pa.float32(),
    FeatureType.FLOAT64: pa.float64(),
    FeatureType.INT32: pa.int32(),
    FeatureType.INT64: pa.int64(),
    FeatureType.BOOL: pa.bool_(),
    FeatureType.STRING: pa.string(),
    FeatureType.BYTES: pa.binary(),
}


class Packer:
    """Packs columns of Arrow into rows; both ways give the same bytes.

    Args:
        schema: The columns.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._fixed = all(column.type in _FIXED for column in schema.columns)
        self._format = RowFormat(schema)

    def pack(self, columns: list[Any], event_times_ms: Any) -> list[bytes]:
        """Packs rows.

        Args:
            columns: An array of Arrow for each column of the schema, of its type.
            event_times_ms: The times, in an array of 64-bit integers.
        """
        if self._fixed:
            return self._pack_fixed(columns, event_times_ms)
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        times = event_times_ms.to_pylist()
        return [self._format.pack(values, time) for values, time in zip(rows, times, strict=True)]

    def _pack_fixed(self, columns: list[Any], event_times_ms: Any) -> list[bytes]:
        order = range(len(columns))
        floats = [index for index in order if self._schema.columns[index].type is FeatureType.FLOAT32]
        others = [index for index in order if index not in floats]
        packed = np.zeros(len(event_times_ms), self._layout(floats, others))
        packed["format"], packed["count"], packed["hash"] = FORMAT, len(columns), self._schema.hash
        packed["time"] = event_times_ms.to_numpy()
        nulls = np.zeros((len(packed), len(columns)), bool)
        for index in order:
            column = columns[index]
            blank = pa.scalar(float("nan") if index in floats else 0).cast(column.type)
            if column.null_count:
                nulls[:, index] = pc.is_null(column).to_numpy(zero_copy_only=False)
                column = pc.fill_null(column, blank)
            packed[f"column {index}"] = column.to_numpy(zero_copy_only=False)
        packed["nulls"] = np.packbits(nulls, axis=1, bitorder="little")
        content, size = packed.tobytes(), packed.dtype.itemsize
        return [content[at : at + size] for at in range(0, len(content), size)]

    def _layout(self, floats: list[int], others: list[int]) -> Any:
        """Returns the layout of a row without gaps."""
        types = [column.type for column in self._schema.columns]
        head = [("format", "<u2"), ("count", "<u2"), ("hash", "<u4"), ("time", "<i8")]
        head += [(f"column {index}", "<f4") for index in floats]
        mask = [("nulls", "u1", ((len(types) + 7) // 8,))]
        return np.dtype([*head, *mask, *((f"column {index}", _FIXED[types[index]]) for index in others)])
