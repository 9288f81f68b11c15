"""What a row of a view holds: named, typed columns with defaults."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from erpml.types.v1 import feature_view_pb2

MOST_TEXT_BYTES = 65_536
LARGEST_FP32 = 3.4028234663852886e38

# A feature; None is null.
Value = float | int | bool | str | bytes | None


class FeatureType(IntEnum):
    """Types of features; numbers and names are those of `erpml.types.v1.FeatureType`."""

    FLOAT32 = 1
    FLOAT64 = 2
    INT32 = 3
    INT64 = 4
    BOOL = 5
    STRING = 6
    BYTES = 7


FLOATS = frozenset({FeatureType.FLOAT32, FeatureType.FLOAT64})
INTEGER_BITS = {FeatureType.INT32: 32, FeatureType.INT64: 64}
FIELDS = {
    FeatureType.FLOAT32: "number",
    FeatureType.FLOAT64: "number",
    FeatureType.INT32: "integer",
    FeatureType.INT64: "integer",
    FeatureType.BOOL: "truth",
    FeatureType.STRING: "text",
    FeatureType.BYTES: "octets",
}


class BadValue(ValueError):
    """A value does not fit its column.

    Args:
        column: The column.
        need: What it needs.
    """

    def __init__(self, column: str, need: str) -> None:
        super().__init__(f"{column}: {need}")
        self.column = column
        self.need = need


@dataclass(frozen=True, slots=True)
class Column:
    """One value of every row.

    Attributes:
        name: Name, unique in its view.
        type: Type of the value.
        default: What stands for a value that is missing; None is null.
    """

    name: str
    type: FeatureType
    default: Value = None

    def check(self, value: Value) -> None:
        """Checks that a value fits; null always does.

        Raises:
            BadValue: It does not.
        """
        need = "" if value is None else need_of(self.type, value)
        if need:
            raise BadValue(self.name, need)


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a view, in order.

    Attributes:
        columns: The columns.
        hash: Tells rows of these columns from others: CRC-32 of their names and types.
    """

    columns: tuple[Column, ...]
    hash: int

    @classmethod
    def of(cls, columns: Iterable[Column]) -> "Schema":
        """Makes a schema."""
        columns = tuple(columns)
        told = "".join(f"{column.name}\0{column.type.name}\0" for column in columns)
        return cls(columns, zlib.crc32(told.encode()))

    @classmethod
    def read(cls, view: feature_view_pb2.FeatureView) -> "Schema":
        """Reads the columns of a declared view.

        Raises:
            BadValue: A default does not fit its column.
            ValueError: A column has no type that is known.
        """
        return cls.of(map(read_column, view.columns))


def read_column(message: feature_view_pb2.FeatureColumn) -> Column:
    """Reads one column.

    Raises:
        BadValue: Its default does not fit.
        ValueError: It has no type that is known.
    """
    column = Column(message.name, FeatureType(message.type), default_of(message))
    column.check(column.default)
    return column


def default_of(message: feature_view_pb2.FeatureColumn) -> Value:
    """Returns the default of a declared column."""
    return value_of(message.default_value)


def value_of(message: feature_view_pb2.FeatureValue) -> Value:
    """Reads a value; null where none is set."""
    field = message.WhichOneof("value")
    value: Value = getattr(message, field) if field else None
    return value


def message_of(type_: FeatureType, value: Value) -> feature_view_pb2.FeatureValue:
    """Writes a value of a column of a type."""
    fields: dict[str, Any] = {} if value is None else {FIELDS[type_]: value}
    return feature_view_pb2.FeatureValue(**fields)


def need_of(type_: FeatureType, value: object) -> str:
    """Returns what a value of a type needs to be, or an empty string."""
    if type_ in FLOATS:
        return need_of_number(type_, value)
    if type_ in INTEGER_BITS:
        largest = 2 ** (INTEGER_BITS[type_] - 1)
        fits = type(value) is int and -largest <= value < largest
        return "" if fits else f"must be an integer of {INTEGER_BITS[type_]} bits, got {value!r}"
    if type_ is FeatureType.BOOL:
        return "" if isinstance(value, bool) else f"must be true or false, got {value!r}"
    return need_of_text(type_, value)


def need_of_number(type_: FeatureType, value: object) -> str:
    """Returns what a floating-point value needs to be, or an empty string."""
    if type(value) not in {float, int}:
        return f"must be a number, got {value!r}"
    assert isinstance(value, float | int)  # noqa: S101 - just looked at
    try:
        size = abs(float(value))
    except OverflowError:
        size = float("inf")
        return f"must be at most {LARGEST_FP32:.10g}, got an integer that is larger"
    if type_ is FeatureType.FLOAT32 and LARGEST_FP32 < size < float("inf"):
        return f"must be at most {LARGEST_FP32:.10g} in size, got {value!r}"
    return ""


def need_of_text(type_: FeatureType, value: object) -> str:
    """Returns what a text or bytes need to be, or an empty string."""
    if not isinstance(value, str if type_ is FeatureType.STRING else bytes):
        return f"must be {'text' if type_ is FeatureType.STRING else 'bytes'}, got {value!r}"
    try:
        size = len(value.encode() if isinstance(value, str) else value)
    except UnicodeEncodeError:
        return "must be valid Unicode"
    return "" if size <= MOST_TEXT_BYTES else f"must have at most {MOST_TEXT_BYTES:,} bytes, got {size:,}"
