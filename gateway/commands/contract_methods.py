"""The services and methods of compiled contracts, with the comments and marks of their sources."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from erpml.annotations.v1 import annotations_pb2
from google.api.field_behavior_pb2 import REQUIRED, field_behavior
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from gateway.contracts.descriptors import built_in_contracts, merge_sets, parse_set, pool_of

# Numbers of fields in descriptor.proto, of which the paths of source comments are made.
FILE_MESSAGES, FILE_SERVICES, SERVICE_METHODS, MESSAGE_FIELDS, MESSAGE_NESTED = 4, 6, 2, 2, 3


@dataclass(frozen=True, slots=True)
class Field:
    """A request field: its descriptor, its comment, and whether the contract marks it REQUIRED."""

    descriptor: FieldDescriptor
    comment: str
    required: bool


@dataclass(frozen=True, slots=True)
class Method:
    """A unary method: gRPC path, comment, message classes, and whether a model answers a single item of it."""

    name: str
    path: str
    comment: str
    scores_one: bool
    request: type[Message]
    response: type[Message]
    fields: tuple[Field, ...]
    pool: DescriptorPool


@dataclass(frozen=True, slots=True)
class Service:
    """A service by its full name, with its unary methods."""

    full_name: str
    comment: str
    methods: tuple[Method, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """A service, method or field as its source has it."""

    comment: str
    proto: Any


def read_services(extra: bytes | None) -> tuple[Service, ...]:
    """Reads the built-in contracts and a further descriptor set; a file that both hold is taken from the first.

    Raises:
        ContractError: The bytes are no descriptor set, or a file of it clashes or lacks a file that it imports.
    """
    files = parse_set(built_in_contracts())
    if extra is not None:
        files = merge_sets(files, parse_set(extra))
    pool = pool_of(files)
    elements = {name: element for file in files for name, element in _elements(file)}
    return tuple(
        _service(name, element, elements, pool)
        for name, element in elements.items()
        if isinstance(element.proto, descriptor_pb2.ServiceDescriptorProto)
    )


def _service(name: str, element: Element, elements: dict[str, Element], pool: DescriptorPool) -> Service:
    methods = tuple(
        _method(name, method, elements, pool)
        for method in element.proto.method
        if not (method.client_streaming or method.server_streaming)
    )
    return Service(name, element.comment, methods)


def _method(
    service: str,
    method: descriptor_pb2.MethodDescriptorProto,
    elements: dict[str, Element],
    pool: DescriptorPool,
) -> Method:
    request = pool.FindMessageTypeByName(method.input_type.removeprefix("."))
    response = pool.FindMessageTypeByName(method.output_type.removeprefix("."))
    return Method(
        name=method.name,
        path=f"/{service}/{method.name}",
        comment=elements[f"{service}.{method.name}"].comment,
        scores_one=bool(method.options.Extensions[annotations_pb2.serving].model),
        request=message_factory.GetMessageClass(request),
        response=message_factory.GetMessageClass(response),
        fields=tuple(_field(field, elements[field.full_name]) for field in request.fields),
        pool=pool,
    )


def _field(descriptor: FieldDescriptor, element: Element) -> Field:
    return Field(descriptor, element.comment, REQUIRED in element.proto.options.Extensions[field_behavior])


def _elements(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, Element]]:
    """Names every service, method and field of a file in full."""
    comments = {tuple(place.path): _text(place.leading_comments) for place in file.source_code_info.location}
    for index, service in enumerate(file.service):
        path = (FILE_SERVICES, index)
        name = f"{file.package}.{service.name}".removeprefix(".")
        yield name, Element(comments.get(path, ""), service)
        for number, method in enumerate(service.method):
            comment = comments.get((*path, SERVICE_METHODS, number), "")
            yield f"{name}.{method.name}", Element(comment, method)
    yield from _fields(file.message_type, file.package, (FILE_MESSAGES,), comments)


def _fields(
    messages: Iterable[descriptor_pb2.DescriptorProto],
    scope: str,
    place: tuple[int, ...],
    comments: dict[tuple[int, ...], str],
) -> Iterator[tuple[str, Element]]:
    for index, message in enumerate(messages):
        path = (*place, index)
        name = f"{scope}.{message.name}".removeprefix(".")
        for number, field in enumerate(message.field):
            comment = comments.get((*path, MESSAGE_FIELDS, number), "")
            yield f"{name}.{field.name}", Element(comment, field)
        yield from _fields(message.nested_type, name, (*path, MESSAGE_NESTED), comments)


def _text(comment: str) -> str:
    """Drops the blank that follows `//` on each line."""
    return "\n".join(line.strip() for line in comment.strip().splitlines())
