"""Compiles request fields into rows of bytes, one per input tensor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from struct import Struct
from typing import Any

from erpml.annotations.v1 import annotations_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.cells import MISSING, Cell, make_cell, settled
from gateway.contracts.columns import NOTHING_STORED, Stored, match_columns, misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.errors import InvalidFields
from gateway.tensors import BYTES, element
from gateway.types import Signature, TensorSpec

# A request -> its row of every input tensor; raises InvalidFields.
PackRow = Callable[[Any], tuple[bytes, ...]]

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
class RowPlan:
    """What a row is made of.

    Attributes:
        required: Required fields that feed no column, such as entity ids.
        tensors: Cells of each input tensor.
        packs: Packs the values of each input tensor.
    """

    required: Sequence[FieldDescriptor]
    tensors: Sequence[Sequence[Cell]]
    packs: Sequence[Callable[..., bytes]]

    def cells(self) -> list[Cell]:
        """Returns the cells of all tensors."""
        return [cell for tensor in self.tensors for cell in tensor]

    def names(self) -> dict[str, Any]:
        """Returns what the sources of packers name: packs, and the bounds of the cells behind the required fields."""
        names: dict[str, Any] = {f"p{index}": pack for index, pack in enumerate(self.packs)}
        for index, cell in enumerate(self.cells(), start=len(self.required)):
            names |= {f"l{index}": cell.low, f"h{index}": cell.high}
        return names


def plan_row(method: AnnotatedMethod, signature: Signature, stored: Mapping[str, Stored] = NOTHING_STORED) -> RowPlan:
    """Returns what the rows of a version are made of.

    Args:
        method: The method.
        signature: Of the version.
        stored: Stored features that feed its columns, by the names of those.

    Raises:
        ContractError: Fields and columns do not match.
    """
    if not signature.inputs:
        raise misfit(method, "the model has no inputs")
    required = required_elsewhere(method)
    tensors = [
        [make_cell(column, spec) for column in columns]
        for spec, columns in zip(signature.inputs, match_columns(method, signature, stored), strict=True)
    ]
    packs = [compile_pack(spec, len(cells)) for spec, cells in zip(signature.inputs, tensors, strict=True)]
    return RowPlan(required, tensors, packs)


def compile_row(plan: RowPlan, settle: Callable[[Any], Any]) -> PackRow:
    """Compiles what takes a request to its row of every input tensor.

    The packer is written as source and compiled, as the standard library does for named tuples: chained comparisons
    of local variables cost half of what loops over the columns do. For an entity id and two columns it reads

        def pack_row(request):
            v0, v1, v2, = read(request)
            has = request.HasField
            if v0 and l1 <= v1 <= h1 and (v1 or has('age_years')) and l2 <= v2 <= h2 and (v2 or has('debt_ratio')):
                return (p0(v1, v2, ), )
            return settle(request)

    An absent field reads as zero, so only zeros need a look at their presence; `settle` does whatever is rare.
    """
    read = compile_reader([field.name for field in plan.required] + [cell.column.field for cell in plan.cells()])
    names = plan.names() | {"read": read, "settle": settle}
    exec(write_source(plan.required, plan.tensors), names)  # noqa: S102 - of names that a descriptor pool accepts: letters, digits and _
    pack_row: PackRow = names["pack_row"]
    return pack_row


def write_source(required: Sequence[FieldDescriptor], tensors: Sequence[Sequence[Cell]]) -> str:
    """Writes the packer that `compile_row` shows."""
    checks = write_required(required)
    cells = [cell for tensor in tensors for cell in tensor]
    for index, cell in enumerate(cells, start=len(required)):
        checks += write_checks(cell, index)
    return f"""
def pack_row(request):
    {"".join(f"v{number}, " for number in range(len(required) + len(cells)))} = read(request)
    has = request.HasField
    if {" and ".join(checks) or "True"}:
        return {write_packs(len(required), tensors)}
    return settle(request)
"""


def write_required(required: Sequence[FieldDescriptor]) -> list[str]:
    """Writes the conditions that required fields which feed no column have values."""
    return [f"has({field.name!r})" if field.has_presence else f"v{index}" for index, field in enumerate(required)]


def write_packs(first: int, tensors: Sequence[Sequence[Cell]]) -> str:
    """Writes the row of every tensor, packed of values that are numbered from `first`."""
    results: list[str] = []
    for number, tensor in enumerate(tensors):
        results.append(f"p{number}({''.join(f'v{first + offset}, ' for offset in range(len(tensor)))})")
        first += len(tensor)
    return f"({', '.join(results)}, )"


def write_checks(cell: Cell, index: int) -> list[str]:
    """Writes the conditions under which a value may be packed as it is."""
    presence = [f"(v{index} or has({cell.column.field!r}))"] if cell.column.presence else []
    if cell.text:
        return [f"v{index}"] if cell.column.required else presence
    return [f"l{index} <= v{index} <= h{index}", *presence]


def compile_settlement(plan: RowPlan) -> PackRow:
    """Compiles what looks closely: it puts NaN where optional numbers are absent, or names every bad field."""
    cells = plan.cells()

    def settle(request: Any) -> tuple[bytes, ...]:
        needs = required_needs(plan.required, request)
        needs += [(cell.column.field, cell.violation(request)) for cell in cells]
        violations = [(field, need) for field, need in needs if need]
        if violations:
            raise InvalidFields(violations)
        return tuple(
            pack(*(settled(cell, request) for cell in tensor))
            for pack, tensor in zip(plan.packs, plan.tensors, strict=True)
        )

    return settle


def required_needs(required: Sequence[FieldDescriptor], request: Any) -> list[tuple[str, str]]:
    """Returns what each of the required fields that feed no column needs; nothing where it has a value."""
    return [(field.name, "" if is_filled(field, request) else MISSING) for field in required]


def is_filled(field: FieldDescriptor, request: Any) -> bool:
    """Says whether a required field has a value."""
    return bool(request.HasField(field.name) if field.has_presence else getattr(request, field.name))


def compile_pack(spec: TensorSpec, elements: int) -> Callable[..., bytes]:
    """Compiles what packs the values of one row of a tensor."""
    if spec.datatype == BYTES:
        return lambda *values: b"".join([element(value.encode() if type(value) is str else value) for value in values])
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


def compile_reader(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Compiles the reader of several fields."""
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda request: (read(request),)
