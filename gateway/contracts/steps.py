"""Writes what fills the fields of a message from outputs: elements, and bands of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import prod
from struct import Struct
from typing import Any

from erpml.annotations.v1 import annotations_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.columns import FLOAT_FIELDS, FLOATS, INTEGER_FIELDS, misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.rows import STRUCT_CODES
from gateway.tensors import BYTES, ELEMENT_BYTES, LENGTH_BYTES, element_offsets, read_length
from gateway.types import Buffer, Policy, TensorSpec

NUMBER_FIELDS = FLOAT_FIELDS | INTEGER_FIELDS | {FieldDescriptor.CPPTYPE_BOOL, FieldDescriptor.CPPTYPE_ENUM}
TENSORS_OF_TEXT = 8  # that are kept apart at a time


@dataclass(frozen=True, slots=True)
class Step:
    """Lines of the generated function that fill a field.

    Attributes:
        field: The field that they fill.
        lines: Their source.
        names: Objects that it uses, by name.
    """

    field: str
    lines: tuple[str, ...]
    names: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Place:
    """A message that is filled, and where its values lie in the outputs.

    Attributes:
        message: Its descriptor.
        target: What it is called in the source.
        row: Expression of its row.
        entry: Expression of its entry of that row; empty where the whole row is its own.
        prefix: What the names of its objects begin with in the source.
    """

    message: Descriptor
    target: str
    row: str
    entry: str = ""
    prefix: str = ""

    def elements(self, spec: TensorSpec) -> int:
        """Returns how many elements of a row of an output are its own."""
        return prod(spec.dims[1:] if self.entry else spec.dims)

    def position(self, spec: TensorSpec, element: int, size: int) -> str:
        """Returns the expression of where an element lies in an output, in units of which an element has `size`."""
        entry = f" + {self.entry} * {self.elements(spec) * size}" if self.entry else ""
        return f"{self.row} * {prod(spec.dims) * size}{entry} + {element * size}"


def annotations(message: Descriptor, extension: Any) -> Iterator[tuple[str, Any]]:
    """Yields name and annotation of every field of a message that carries the extension."""
    for field in message.fields:
        options = field.GetOptions()
        if options.HasExtension(extension):
            yield field.name, options.Extensions[extension]


def element_steps(method: AnnotatedMethod, bound: Sequence[TensorSpec], place: Place) -> Iterator[Step]:
    """Yields the steps that read an element of an output.

    Args:
        method: The method.
        bound: The outputs that it reads, in the order in which they come.
        place: What is filled.

    Raises:
        ContractError: The model has no such element, or it does not fit the field.
    """
    for name, output in annotations(place.message, annotations_pb2.output):
        position = find_output(method, bound, output.tensor)
        spec = bound[position]
        check_element(method, spec, place, name, output.element)
        if output.largest:
            yield write_largest(method, position, spec, place, name)
        else:
            yield write_element(position, spec, place, name, output.element)


def find_output(method: AnnotatedMethod, bound: Sequence[TensorSpec], name: str) -> int:
    """Returns the position of an output among those that are read.

    Raises:
        ContractError: The model has no such output.
    """
    position = next((index for index, spec in enumerate(bound) if spec.name == name), None)
    if position is None:
        raise misfit(method, f"the model has no output '{name}'")
    return position


def check_element(method: AnnotatedMethod, spec: TensorSpec, place: Place, name: str, element: int) -> None:
    """Checks that an output has an element, and that a field can hold it.

    Raises:
        ContractError: It has not, or cannot.
    """
    of_entries = bool(place.entry)
    known = spec.datatype == BYTES or spec.datatype in STRUCT_CODES
    if not known or min(spec.dims, default=1) < 0 or len(spec.dims) < of_entries or element >= place.elements(spec):
        where = " of an entry" if of_entries else ""
        raise misfit(method, f"output '{spec.name}' {spec.datatype} {list(spec.dims)} has no element {element}{where}")
    field = place.message.fields_by_name[name]
    if spec.datatype == BYTES:
        fits = field.type == FieldDescriptor.TYPE_STRING
    else:
        fits = field.cpp_type in NUMBER_FIELDS and (spec.datatype in FLOATS) <= (field.cpp_type in FLOAT_FIELDS)
    if field.is_repeated or not fits:
        raise misfit(method, f"'{name}' cannot hold an element of '{spec.name}', a {spec.datatype}")


def write_element(position: int, spec: TensorSpec, place: Place, name: str, element: int) -> Step:
    """Writes what reads one element."""
    if spec.datatype == BYTES:
        text = f"texts(outputs.data[{position}])[{place.position(spec, element, 1)}]"
        return Step(name, (f"{place.target}.{name} = {text}",), {"texts": texts})
    read = f"read_{place.prefix}{name}"
    where = place.position(spec, element, ELEMENT_BYTES[spec.datatype])
    refuse = ("if value != value: refuse_nan()",) if spec.datatype in FLOATS else ()
    lines = (f"(value, ) = {read}(outputs.data[{position}], {where})", *refuse, f"{place.target}.{name} = value")
    return Step(name, lines, {read: Struct(f"<{STRUCT_CODES[spec.datatype]}").unpack_from})


def write_largest(method: AnnotatedMethod, position: int, spec: TensorSpec, place: Place, name: str) -> Step:
    """Writes what reads the largest element.

    Raises:
        ContractError: The elements are texts.
    """
    if spec.datatype == BYTES:
        raise misfit(method, f"'{name}' reads the largest element of '{spec.name}', whose elements are texts")
    read, count = f"read_{place.prefix}{name}", place.elements(spec)
    where = place.position(spec, 0, ELEMENT_BYTES[spec.datatype])
    lines = (
        f"values = {read}(outputs.data[{position}], {where})",
        "if sum(values) != sum(values): refuse_nan()",  # as it is where one of them is NaN
        f"{place.target}.{name} = max(values)",
    )
    return Step(name, lines, {read: Struct(f"<{count}{STRUCT_CODES[spec.datatype]}").unpack_from})


@lru_cache(TENSORS_OF_TEXT)
def texts(data: Buffer) -> list[str]:
    """Returns the elements of a BYTES tensor; what is not UTF-8 is replaced."""
    count = position = 0
    while position < len(data):
        position += LENGTH_BYTES + read_length(data, position)[0]
        count += 1
    offsets = element_offsets(data, count)
    return [bytes(data[start + LENGTH_BYTES : end]).decode(errors="replace") for start, end in pairwise(offsets)]


def band_steps(method: AnnotatedMethod, policy: Policy, place: Place) -> Iterator[Step]:
    """Yields the steps that choose a band.

    Raises:
        ContractError: The bounds do not rise, or the enum does not have one value for each band.
    """
    fields = place.message.fields_by_name
    scores = {name for name, _ in annotations(place.message, annotations_pb2.output)}
    for name, band in annotations(place.message, annotations_pb2.band):
        bounds, enum = policy[name], fields[name].enum_type
        if band.of not in scores:
            raise misfit(method, f"band '{name}' reads '{band.of}', which no output fills")
        if list(bounds) != sorted(set(bounds)):
            raise misfit(method, f"the bounds of '{name}' must rise, got {list(bounds)}")
        if enum is None or sorted(enum.values_by_number) != list(range(len(bounds) + 2)):
            raise misfit(method, f"'{name}' needs an enum of {len(bounds) + 1} values beside its zero")
        known = f"bounds_{place.prefix}{name}"
        choose = f"{place.target}.{name} = bisect_left({known}, {place.target}.{band.of}) + 1"
        yield Step(name, (choose,), {known: bounds})
