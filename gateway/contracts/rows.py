"""Compiles request fields into rows of bytes, one per input tensor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
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

# A request -> its row of every input tensor; raises InvalidFields.
PackRow = Callable[[Any], tuple[bytes, ...]]

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


@dataclass(frozen=True, slots=True)
class Cell:
    """A column and the values that have a place in its tensor.

    Attributes:
        column: The column.
        low: Smallest value, of contract and datatype; -inf for text.
        high: Largest value, likewise.
        text: Whether it holds text.
    """

    column: Column
    low: float
    high: float
    text: bool

    def violation(self, request: Any) -> str:
        """Returns what the field of a request needs, or an empty string."""
        value = getattr(request, self.column.field)
        if is_absent(self.column, request):
            return MISSING if self.column.required else ""
        if self.text:
            return "" if value or not self.column.required else MISSING
        return "" if self.low <= value <= self.high else describe_range(self, value)


def compile_row(method: AnnotatedMethod, signature: Signature) -> PackRow:
    """Compiles what takes a request to its row of every input tensor; absent optional numbers become NaN.

    The packer is written as source and compiled, as the standard library does for named tuples: chained comparisons
    of local variables cost half of what loops over the columns do. For an entity id and two columns it reads

        def pack_row(request):
            v0, v1, v2, = read(request)
            has = request.HasField
            if v0 and l1 <= v1 <= h1 and (v1 or has('age_years')) and l2 <= v2 <= h2 and (v2 or has('debt_ratio')):
                return (p0(v1, v2, ), )
            return settle(request)

    An absent field reads as zero, so only zeros need a look at their presence; `settle` does whatever is rare.

    Raises:
        ContractError: Fields and columns do not match.
    """
    if not signature.inputs:
        raise misfit(method, "the model has no inputs")
    required = required_elsewhere(method)
    tensors = [
        [make_cell(column, spec) for column in columns]
        for spec, columns in zip(signature.inputs, match_columns(method, signature), strict=True)
    ]
    packs = [compile_pack(spec, len(cells)) for spec, cells in zip(signature.inputs, tensors, strict=True)]
    cells = [cell for tensor in tensors for cell in tensor]
    read = compile_reader([field.name for field in required] + [cell.column.field for cell in cells])
    names: dict[str, Any] = {"read": read, "settle": compile_settlement(required, tensors, packs)}
    names |= {f"p{index}": pack for index, pack in enumerate(packs)}
    for index, cell in enumerate(cells, start=len(required)):
        names |= {f"l{index}": cell.low, f"h{index}": cell.high}
    exec(write_source(required, tensors), names)  # noqa: S102 - of names that a descriptor pool accepts: letters, digits and _
    pack_row: PackRow = names["pack_row"]
    return pack_row


def write_source(required: Sequence[FieldDescriptor], tensors: Sequence[Sequence[Cell]]) -> str:
    """Writes the packer that `compile_row` shows."""
    checks = [f"has({field.name!r})" if field.has_presence else f"v{index}" for index, field in enumerate(required)]
    results: list[str] = []
    index = len(required)
    for tensor in tensors:
        results.append(f"p{len(results)}({''.join(f'v{index + offset}, ' for offset in range(len(tensor)))})")
        for cell in tensor:
            checks += write_checks(cell, index)
            index += 1
    return f"""
def pack_row(request):
    {"".join(f"v{number}, " for number in range(index))} = read(request)
    has = request.HasField
    if {" and ".join(checks) or "True"}:
        return ({", ".join(results)}, )
    return settle(request)
"""


def write_checks(cell: Cell, index: int) -> list[str]:
    """Writes the conditions under which a value may be packed as it is."""
    if cell.text:
        return [f"v{index}"] if cell.column.required else []
    presence = [f"(v{index} or has({cell.column.field!r}))"] if cell.column.presence else []
    return [f"l{index} <= v{index} <= h{index}", *presence]


def compile_settlement(
    required: Sequence[FieldDescriptor],
    tensors: Sequence[Sequence[Cell]],
    packs: Sequence[Callable[..., bytes]],
) -> PackRow:
    """Compiles what looks closely: it puts NaN where optional numbers are absent, or names every bad field."""

    def settle(request: Any) -> tuple[bytes, ...]:
        needs = [(field.name, "" if is_filled(field, request) else MISSING) for field in required]
        needs += [(cell.column.field, cell.violation(request)) for tensor in tensors for cell in tensor]
        violations = [(field, need) for field, need in needs if need]
        if violations:
            raise InvalidFields(violations)
        return tuple(
            pack(*(settled(cell, request) for cell in tensor)) for pack, tensor in zip(packs, tensors, strict=True)
        )

    return settle


def settled(cell: Cell, request: Any) -> Any:
    """Returns the value that is packed for a column."""
    absent = is_absent(cell.column, request) and not cell.text
    return nan if absent else getattr(request, cell.column.field)


def is_absent(column: Column, request: Any) -> bool:
    """Says whether a field that can be told from a zero is not set."""
    return column.presence and not request.HasField(column.field)


def is_filled(field: FieldDescriptor, request: Any) -> bool:
    """Says whether a required field has a value."""
    return bool(request.HasField(field.name) if field.has_presence else getattr(request, field.name))


def make_cell(column: Column, spec: TensorSpec) -> Cell:
    """Returns a column with the bounds of its tensor."""
    if spec.datatype == BYTES:
        return Cell(column, -inf, inf, text=True)
    smallest, largest = LIMITS[spec.datatype]
    return Cell(column, max(column.minimum, smallest), min(column.maximum, largest), text=False)


def compile_pack(spec: TensorSpec, elements: int) -> Callable[..., bytes]:
    """Compiles what packs the values of one row of a tensor."""
    if spec.datatype == BYTES:
        return lambda *values: b"".join([element(value.encode()) for value in values])
    return Struct(f"<{elements}{STRUCT_CODES[spec.datatype]}").pack


def required_elsewhere(method: AnnotatedMethod) -> list[FieldDescriptor]:
    """Returns required fields that feed no column, such as entity ids.

    Raises:
        ContractError: The absence of one cannot be told from a zero.
    """
    fields = [field for field in method.request.DESCRIPTOR.fields if is_required_elsewhere(field)]
    for field in fields:
        if not (field.has_presence or field.is_repeated or field.cpp_type == FieldDescriptor.CPPTYPE_STRING):
            raise misfit(method, f"field '{field.name}' is required: declare it `optional` so that 0 can be told")
    return fields


def is_required_elsewhere(field: FieldDescriptor) -> bool:
    """Says whether a field is required and feeds no column."""
    options = field.GetOptions()
    required = field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior]
    return required and not options.HasExtension(annotations_pb2.input)


def describe_range(cell: Cell, value: float) -> str:
    """Tells what a value must be: the bounds of the contract, and those of the tensor where they are passed."""
    column = cell.column
    if not isfinite(value):
        return f"must be a finite number, got {value}" + ("" if column.required else "; leave it out if it is unknown")
    told = [f"at least {cell.low:.10g}"] if isfinite(column.minimum) or value < cell.low else []
    told += [f"at most {cell.high:.10g}"] if isfinite(column.maximum) or value > cell.high else []
    return f"must be {' and '.join(told)}, got {value:.10g}"


def compile_reader(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Compiles the reader of several fields."""
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda request: (read(request),)
