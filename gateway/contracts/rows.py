"""Compiles request fields into rows of bytes, one packer per input tensor."""

from collections.abc import Callable, Sequence
from math import isfinite, nan
from operator import attrgetter
from struct import Struct
from typing import Any

from erpml.annotations.v1 import annotations_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.columns import LIMITS, Column, match_columns, misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.errors import InvalidFields
from gateway.tensors import BYTES, element
from gateway.types import Signature, TensorSpec

# A request's row of one input tensor, or of all of them; both raise InvalidFields.
PackRow = Callable[[Any], bytes]
PackInputs = Callable[[Any], tuple[bytes, ...]]

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


def compile_row(method: AnnotatedMethod, signature: Signature) -> PackInputs:
    """Compiles what takes a request to its row of every input tensor.

    Raises:
        ContractError: Fields and columns do not match.
    """
    if not signature.inputs:
        raise misfit(method, "the model has no inputs")
    complete, missing = compile_required(method)
    packers = [
        compile_texts(columns) if spec.datatype == BYTES else compile_numbers(columns, spec)
        for spec, columns in zip(signature.inputs, match_columns(method, signature), strict=True)
    ]

    def pack_row(request: Any) -> tuple[bytes, ...]:
        try:
            if complete(request):
                return tuple([pack(request) for pack in packers])
        except InvalidFields:
            pass
        raise InvalidFields([*missing(request), *violations_of(packers, request)])

    return pack_row


def violations_of(packers: Sequence[PackRow], request: Any) -> list[tuple[str, str]]:
    """Returns what every packer finds wrong with a request."""
    violations: list[tuple[str, str]] = []
    for pack in packers:
        try:
            pack(request)
        except InvalidFields as error:
            violations += error.violations
    return violations


def compile_numbers(columns: Sequence[Column], spec: TensorSpec) -> PackRow:
    """Compiles the packer of a numeric tensor; absent optional fields become NaN.

    The packer is written as source and compiled, as the standard library does for named tuples: chained comparisons
    of local variables cost half of what loops over the columns do. For two columns it reads

        def pack_row(request):
            v0, v1 = read(request)
            has = request.HasField
            if l0 <= v0 <= h0 and l1 <= v1 <= h1 and (v0 or has('age_years')) and (v1 or has('debt_ratio')):
                return pack(v0, v1)
            return pack(*settle(request, (v0, v1)))

    An absent field reads as zero, so only zeros need a look at their presence.
    """
    smallest, largest = LIMITS[spec.datatype]
    lows = [max(column.minimum, smallest) for column in columns]
    highs = [min(column.maximum, largest) for column in columns]
    numbered = list(enumerate(columns))
    values = "".join(f"v{index}, " for index, _ in numbered)
    checks = [f"l{index} <= v{index} <= h{index}" for index, _ in numbered]
    checks += [f"(v{index} or has({column.field!r}))" for index, column in numbered if column.presence]
    source = f"""
def pack_row(request):
    {values} = read(request)
    has = request.HasField
    if {" and ".join(checks)}:
        return pack({values})
    return pack(*settle(request, ({values})))
"""
    names: dict[str, Any] = {
        "read": compile_reader([column.field for column in columns]),
        "pack": Struct(f"<{len(columns)}{STRUCT_CODES[spec.datatype]}").pack,
        "settle": compile_settlement(columns, lows, highs),
        **{f"l{index}": low for index, low in enumerate(lows)},
        **{f"h{index}": high for index, high in enumerate(highs)},
    }
    exec(source, names)  # noqa: S102 - of names that a descriptor pool accepts: letters, digits and _
    pack_row: PackRow = names["pack_row"]
    return pack_row


def compile_settlement(
    columns: Sequence[Column], lows: Sequence[float], highs: Sequence[float]
) -> Callable[[Any, Sequence[float]], Sequence[float]]:
    """Compiles what looks closely at a row: it puts NaN where optional fields are absent, or raises InvalidFields."""

    def settle(request: Any, values: Sequence[float]) -> Sequence[float]:
        settled, violations = [], []
        for column, value, low, high in zip(columns, values, lows, highs, strict=True):
            absent = column.presence and not request.HasField(column.field)
            settled.append(nan if absent else value)
            if absent and column.required:
                violations.append((column.field, MISSING))
            elif not absent and not low <= value <= high:
                violations.append((column.field, describe_range(column, value, low, high)))
        if violations:
            raise InvalidFields(violations)
        return settled

    return settle


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


def compile_required(
    method: AnnotatedMethod,
) -> tuple[Callable[[Any], object], Callable[[Any], list[tuple[str, str]]]]:
    """Compiles the check of required fields that feed no column, such as entity ids.

    Returns:
        What says whether a request has them all, as a truth value, and what names those that it lacks.

    Raises:
        ContractError: The absence of a required field cannot be told from a zero.
    """
    required = [field for field in method.request.DESCRIPTOR.fields if required_elsewhere(field)]
    for field in required:
        if not (field.has_presence or field.is_repeated or field.cpp_type == field.CPPTYPE_STRING):
            raise misfit(method, f"field '{field.name}' is required: declare it `optional` so that 0 can be told")
    tracked = [field.name for field in required if field.has_presence]
    filled = [field.name for field in required if not field.has_presence]

    def missing(request: Any) -> list[tuple[str, str]]:
        absent = [name for name in tracked if not request.HasField(name)]
        return [(name, MISSING) for name in (*absent, *(name for name in filled if not getattr(request, name)))]

    if len(filled) == 1 and not tracked:
        return attrgetter(*filled), missing
    return lambda request: not missing(request), missing


def required_elsewhere(field: FieldDescriptor) -> bool:
    """Says whether a field is required and feeds no column."""
    options = field.GetOptions()
    required = field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior]
    return required and not options.HasExtension(annotations_pb2.input)


def describe_range(column: Column, value: float, low: float, high: float) -> str:
    """Tells what a value must be: the bounds of the contract, and those of the tensor where they are passed."""
    if not isfinite(value):
        return f"must be a finite number, got {value}" + ("" if column.required else "; leave it out if it is unknown")
    told = [f"at least {low:.10g}"] if isfinite(column.minimum) or value < low else []
    told += [f"at most {high:.10g}"] if isfinite(column.maximum) or value > high else []
    return f"must be {' and '.join(told)}, got {value:.10g}"


def compile_reader(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Compiles the reader of several fields."""
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda request: (read(request),)
