"""Reads fields of typed requests for experiments: whom a call concerns, and what decides whether it is taken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.columns import INTEGER_FIELDS, misfit
from gateway.contracts.descriptors import AnnotatedMethod

# A message -> a field of it as a text; None if it has none.
Read = Callable[[Any], str | None]


@dataclass(frozen=True, slots=True)
class FieldReader:
    """Reads fields of one message class.

    Attributes:
        descriptor: Of the message.
        unit: Takes a message to its unit; empty if it has none.
        readers: How to read fields, by their paths; they are made as they are asked for.
    """

    descriptor: Descriptor
    unit: Callable[[Any], str]
    readers: dict[str, Read] = field(default_factory=dict)

    @classmethod
    def of(cls, method: AnnotatedMethod) -> "FieldReader":
        """Makes the reader of a method's requests.

        Raises:
            ContractError: What its annotation says to be the unit cannot be one.
        """
        descriptor = method.request.DESCRIPTOR
        return cls(descriptor, compile_unit(method, descriptor))

    def value(self, message: Any, path: str) -> str | None:
        """Returns a field as a text; None if the message has no such field."""
        read = self.readers.get(path)
        if read is None:
            read = self.readers[path] = compile_read(self.descriptor, path)
        return read(message)


def compile_unit(method: AnnotatedMethod, descriptor: Descriptor) -> Callable[[Any], str]:
    """Compiles what takes a request to its unit: an empty text and the number 0 are none.

    Raises:
        ContractError: What the annotation names is not there, or neither a text nor a whole number.
    """
    path = method.serving.unit
    if not path:
        return lambda _: ""
    steps = find_path(descriptor, path)
    if not steps:
        raise misfit(method, f"unit '{path}' is no field of {descriptor.full_name}")
    last = steps[-1]
    if (
        last.cpp_type != FieldDescriptor.CPPTYPE_STRING and last.cpp_type not in INTEGER_FIELDS
    ) or last.type == last.TYPE_BYTES:
        raise misfit(method, f"unit '{path}' must be a string or a whole number")
    names = [step.name for step in steps]

    def unit(message: Any) -> str:
        for name in names:
            message = getattr(message, name)
        return str(message) if message else ""

    return unit


def compile_read(descriptor: Descriptor, path: str) -> Read:
    """Compiles what takes a message to one of its fields."""
    steps = find_path(descriptor, path)
    if not steps:
        return lambda _: None
    names, last = [step.name for step in steps[:-1]], steps[-1]

    def read(message: Any) -> str | None:
        for name in names:
            message = getattr(message, name)
        if last.has_presence and not message.HasField(last.name):
            return None
        return as_text(last, getattr(message, last.name))

    return read


def find_path(descriptor: Descriptor, path: str) -> Sequence[FieldDescriptor]:
    """Returns the fields along a path that ends in a single value; nothing if it does not."""
    steps = list[FieldDescriptor]()
    here: Descriptor | None = descriptor
    for name in path.split("."):
        found = here.fields_by_name.get(name) if here is not None else None
        if found is None or found.is_repeated:
            return ()
        steps.append(found)
        here = found.message_type
    return steps if here is None else ()


def as_text(of: FieldDescriptor, value: Any) -> str | None:
    """Returns the text that conditions have for a value; None for bytes and for numbers that are not whole."""
    if of.enum_type is not None:
        known = of.enum_type.values_by_number.get(value)
        return known.name if known is not None else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None
