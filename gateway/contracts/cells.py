"""Single values of a row: where they come from, and which of them have a place in their tensor."""

from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Any

from gateway.contracts.columns import FIELD_LIMITS, LIMITS, Column
from gateway.tensors import BYTES
from gateway.types import TensorSpec

MISSING = "is required"


@dataclass(frozen=True, slots=True)
class Cell:
    """A column and the values that have a place in its tensor.

    Attributes:
        column: The column.
        low: Smallest value, of contract, field and datatype; -inf for text.
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


def make_cell(column: Column, spec: TensorSpec) -> Cell:
    """Returns a column with the bounds of its tensor."""
    if spec.datatype == BYTES:
        return Cell(column, -inf, inf, text=True)
    smallest, largest = LIMITS[spec.datatype]
    least, most = FIELD_LIMITS.get(column.cpp_type, (-inf, inf))
    return Cell(column, max(column.minimum, smallest, least), min(column.maximum, largest, most), text=False)


def settled(cell: Cell, request: Any) -> Any:
    """Returns the value that is packed for a column."""
    absent = is_absent(cell.column, request) and not cell.text
    return nan if absent else getattr(request, cell.column.field)


def is_absent(column: Column, request: Any) -> bool:
    """Says whether a field that can be told from a zero is not set."""
    return column.presence and not request.HasField(column.field)


def describe_range(cell: Cell, value: float) -> str:
    """Tells what a value must be: the bounds of the contract, and those of the tensor where they are passed."""
    column = cell.column
    if not isfinite(value):
        return f"must be a finite number, got {value}" + ("" if column.required else "; leave it out if it is unknown")
    told = [f"at least {cell.low:.10g}"] if isfinite(column.minimum) or value < cell.low else []
    told += [f"at most {cell.high:.10g}"] if isfinite(column.maximum) or value > cell.high else []
    return f"must be {' and '.join(told)}, got {value:.10g}"
