"""Compiles request fields into rows of bytes, one packer per input tensor."""

from collections.abc import Callable, Sequence
from math import isfinite, nan
from operator import attrgetter, le
from struct import Struct
from typing import Any

from erpml.annotations.v1 import annotations_pb2
from google.api import field_behavior_pb2

from gateway.contracts.columns import LIMITS, Column, match_columns
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.errors import InvalidFields
from gateway.tensors import BYTES, element
from gateway.types import Signature, TensorSpec

# One request's row of one tensor; raises InvalidFields.
PackRow = Callable[[Any], bytes]

MISSING = "is required"

# KServe v2 datatype -> struct code.
STRUCT_CODES = {
    "BOOL": "?",
    "INT8": "b",
    "UINT8": "B",
    "INT16": "h",
    "UINT16": "H",
    "INT32": "i",
    "UINT32": "I",
    "FP32": "f",
    "INT64": "q",
    "UINT64": "Q",
    "FP64": "d",
}


def compile_rows(method: AnnotatedMethod, signature: Signature) -> tuple[PackRow, ...]:
    """Compiles one packer per input tensor.

    Raises:
        ContractError: Fields and columns do not match.
    """
    return tuple(
        compile_texts(columns) if spec.datatype == BYTES else compile_numbers(columns, spec)
        for spec, columns in zip(signature.inputs, match_columns(method, signature), strict=True)
    )


def compile_numbers(columns: Sequence[Column], spec: TensorSpec) -> PackRow:
    """Compiles the packer of a numeric tensor.

    An absent field reads as zero, so only zeros need a look at their presence. Absent optional fields become NaN.
    """
    smallest, largest = LIMITS[spec.datatype]
    lows = [max(column.minimum, smallest) for column in columns]
    highs = [min(column.maximum, largest) for column in columns]
    names = [column.field for column in columns]
    read, pack = compile_reader(names), Struct(f"<{len(columns)}{STRUCT_CODES[spec.datatype]}").pack
    refuse = compile_refusal(columns, lows, highs)
    required = frozenset(column.field for column in columns if column.required)
    tracked = frozenset(column.field for column in columns if column.presence)

    def pack_row(request: Any) -> bytes:
        values = read(request)
        in_range = all(map(le, lows, values)) and all(map(le, values, highs))
        has = request.HasField
        unset = zip(names, values, strict=True)
        absent = [name for name, value in unset if not value and name in tracked and not has(name)]
        if not in_range or not required.isdisjoint(absent):
            refuse(values, absent)
        if absent:
            values = tuple(nan if name in absent else value for name, value in zip(names, values, strict=True))
        return pack(*values)

    return pack_row


def compile_texts(columns: Sequence[Column]) -> PackRow:
    """Compiles the packer of a BYTES tensor; an absent optional field becomes an empty string."""
    read = compile_reader([column.field for column in columns])
    required = [column.field for column in columns if column.required]

    def pack_row(request: Any) -> bytes:
        missing = [name for name in required if not getattr(request, name)]
        if missing:
            raise InvalidFields([(name, MISSING) for name in missing])
        return b"".join([element(value.encode()) for value in read(request)])

    return pack_row


def compile_required(method: AnnotatedMethod) -> Callable[[Any], None]:
    """Compiles the check of required fields that feed no column, such as entity ids; it raises InvalidFields."""
    required = [
        field.name
        for field in method.request.DESCRIPTOR.fields
        if (options := method.options[field.full_name])
        and field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior]
        and not options.HasExtension(annotations_pb2.input)
    ]

    def check(request: Any) -> None:
        for name in required:
            if not getattr(request, name):
                raise InvalidFields([(name, MISSING)])

    return check


def compile_refusal(
    columns: Sequence[Column], lows: Sequence[float], highs: Sequence[float]
) -> Callable[[Sequence[float], Sequence[str]], None]:
    """Compiles what names every field that is missing, not finite or out of range, by raising InvalidFields."""

    def refuse(values: Sequence[float], absent: Sequence[str]) -> None:
        violations = [
            (column.field, MISSING if column.field in absent else describe_range(column, value))
            for column, value, low, high in zip(columns, values, lows, highs, strict=True)
            if (column.required if column.field in absent else not low <= value <= high)
        ]
        if violations:
            raise InvalidFields(violations)

    return refuse


def describe_range(column: Column, value: float) -> str:
    """Tells what a value must be."""
    if not isfinite(value):
        return f"must be a finite number, got {value}" + ("" if column.required else "; leave it out if it is unknown")
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", column.minimum), ("at most", column.maximum))
        if isfinite(bound)
    ]
    return f"must be {' and '.join(bounds) or 'a number that the model can hold'}, got {value:g}"


def compile_reader(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Compiles the reader of several fields."""
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda request: (read(request),)
