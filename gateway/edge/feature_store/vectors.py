"""Writes features by column, whole columns at a time: the vectors of `erpml.hub.v1.GetOnlineFeaturesResponse`."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import Struct, error
from typing import Any, cast

from erpml.hub.v1.feature_store_service_pb2 import FeatureVector, GetOnlineFeaturesResponse
from gapura_features.packed import BLANKS
from gapura_features.schema import Column, FeatureType, Value

from gateway.protowire import prefix

LISTS = {
    FeatureType.FLOAT32: "floats",
    FeatureType.FLOAT64: "doubles",
    FeatureType.INT32: "integers",
    FeatureType.INT64: "integers",
    FeatureType.BOOL: "truths",
    FeatureType.STRING: "texts",
    FeatureType.BYTES: "octets",
}

# What stands in its list for a null.
NOTHING = {**BLANKS, FeatureType.FLOAT32: 0.0}

# Types whose values are packed as they are: protobuf has them little-endian, one behind the other.
PACKED = {FeatureType.FLOAT32: "f", FeatureType.FLOAT64: "d"}

VECTOR = GetOnlineFeaturesResponse.COLUMNS_FIELD_NUMBER

Values = Sequence[Value]


class Vectors:
    """Writes columns.

    Args:
        columns: The columns of a view.
        indexes: Which of them, in order.
    """

    __slots__ = ("_indexes", "_one", "_template", "_writers")

    def __init__(self, columns: Sequence[Column], indexes: Sequence[int]) -> None:
        chosen = [columns[index] for index in indexes]
        self._writers = [writer_of(column) for column in chosen]
        self._indexes = None if list(indexes) == list(range(len(columns))) else tuple(indexes)
        self._template, self._one = frame_of_one(chosen)

    def write(self, rows: Sequence[Values]) -> bytes:
        """Returns the serialised vectors of rows, at least one: a value for each column of the view, None is null."""
        if self._one is not None and len(rows) == 1:
            filled, indexes = self._template.copy(), self._indexes
            filled[1::2] = rows[0] if indexes is None else [rows[0][index] for index in indexes]
            try:
                return self._one(*filled)
            except error:  # a null is among them
                pass
        columns: Sequence[Values] = tuple(zip(*rows, strict=True))
        if self._indexes is not None:
            columns = [columns[index] for index in self._indexes]
        return b"".join([write(column) for write, column in zip(self._writers, columns, strict=True)])


def frame_of_one(columns: Sequence[Column]) -> tuple[list[Any], Callable[..., bytes] | None]:
    """Returns the pieces of the vectors of one row, and what packs them in one go: a third of the work.

    Every other piece is a value. There is no such way for columns of some types.
    """
    if any(column.type not in PACKED for column in columns):
        return [], None
    pieces, codes = list[Any](), ["<"]
    for column in columns:
        head, code = head_of(column), PACKED[column.type]
        outer, inner, _ = frame(len(head), column.type, 1)
        before = outer + head + inner
        pieces += (before, 0.0)
        codes.append(f"{len(before)}s{code}")
    return pieces, Struct("".join(codes)).pack


def writer_of(column: Column) -> Callable[[Values], bytes]:
    """Returns what writes the values of a column."""
    if column.type not in PACKED:
        return lambda values: write_vector(column, values)
    head, type_ = head_of(column), column.type

    def write(values: Values) -> bytes:
        outer, inner, pack = frame(len(head), type_, len(values))
        try:
            return b"".join((outer, head, inner, pack(*values)))
        except error:  # as above
            return write_vector(column, values)

    return write


@lru_cache(maxsize=4096)
def frame(head_bytes: int, type_: FeatureType, values: int) -> tuple[bytes, bytes, Callable[..., bytes]]:
    """Returns what stands before a vector's head, what stands between that and its values, and what packs those."""
    struct = Struct(f"<{values}{PACKED[type_]}")
    inner = prefix(FeatureVector.DESCRIPTOR.fields_by_name[LISTS[type_]].number, struct.size)
    return prefix(VECTOR, head_bytes + len(inner) + struct.size), inner, struct.pack


def head_of(column: Column) -> bytes:
    """Returns what the vector of a column begins with: its name and type."""
    return FeatureVector(name=column.name, type=cast("Any", column.type)).SerializeToString()


def write_vector(column: Column, values: Values) -> bytes:
    """Returns a serialised vector of any type, with or without nulls."""
    vector = FeatureVector(name=column.name, type=cast("Any", column.type))
    if None in values:
        vector.nulls.extend(value is None for value in values)
        nothing = NOTHING[column.type]
        values = [nothing if value is None else value for value in values]
    getattr(vector, LISTS[column.type]).extend(values)
    serialised = vector.SerializeToString()
    return prefix(VECTOR, len(serialised)) + serialised
