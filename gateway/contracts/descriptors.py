"""Reads descriptor sets: which methods are annotated, and with what message classes they speak."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from erpml.annotations.v1 import annotations_pb2
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from gateway.errors import ContractError

BUILT_IN = "contracts.binpb"


@dataclass(frozen=True, slots=True)
class AnnotatedMethod:
    """A method that a model answers.

    Attributes:
        service: Full name of its service.
        name: Name within the service.
        serving: What its annotation says.
        request: Message class of the request.
        response: Message class of the response.
        options: Options of every field of every message of its descriptor set, by full field name.
    """

    service: str
    name: str
    serving: annotations_pb2.Serving
    request: Any
    response: Any
    options: Mapping[str, descriptor_pb2.FieldOptions]

    @property
    def full_name(self) -> str:
        """`package.Service.Method`."""
        return f"{self.service}.{self.name}"

    @property
    def path(self) -> str:
        """`/package.Service/Method`."""
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True, slots=True)
class ContractSet:
    """The files of one or more descriptor sets, linked."""

    pool: DescriptorPool
    methods: tuple[AnnotatedMethod, ...]


def built_in_contracts() -> bytes:
    """Returns the descriptor set of the contracts that this release ships."""
    return (files("erpml") / BUILT_IN).read_bytes()


def link(descriptor_sets: Iterable[bytes]) -> ContractSet:
    """Links descriptor sets; a file that several of them carry must be the same in all.

    Raises:
        ContractError: Bytes that are no descriptor set, files that clash, or imports that are missing.
    """
    pool, linked = DescriptorPool(), dict[str, descriptor_pb2.FileDescriptorProto]()
    for content in descriptor_sets:
        for file in parse_set(content).file:
            if file.name not in linked:
                add_file(pool, file)
                linked[file.name] = file
    options = dict(field_options(linked.values()))
    return ContractSet(pool, tuple(annotated_methods(pool, linked.values(), options)))


def parse_set(content: bytes) -> descriptor_pb2.FileDescriptorSet:
    """Reads one descriptor set.

    Raises:
        ContractError: The bytes are no descriptor set.
    """
    try:
        return descriptor_pb2.FileDescriptorSet.FromString(content)
    except DecodeError as error:
        raise ContractError(
            "MODEL_NOT_SERVED", "not a descriptor set; write it with protoc --include_imports"
        ) from error


def add_file(pool: DescriptorPool, file: descriptor_pb2.FileDescriptorProto) -> None:
    """Adds one file to the pool.

    Raises:
        ContractError: It clashes with another file, or imports one that is missing.
    """
    try:
        pool.AddSerializedFile(file.SerializeToString())
    except TypeError as error:
        raise ContractError("MODEL_NOT_SERVED", f"{file.name} cannot be linked: {error}") from error


def field_options(
    linked: Iterable[descriptor_pb2.FileDescriptorProto],
) -> Iterator[tuple[str, descriptor_pb2.FieldOptions]]:
    """Yields the options of every field of every top-level message, by full field name."""
    for file in linked:
        for message in file.message_type:
            for field in message.field:
                yield f"{file.package}.{message.name}.{field.name}", field.options


def annotated_methods(
    pool: DescriptorPool,
    linked: Iterable[descriptor_pb2.FileDescriptorProto],
    options: Mapping[str, descriptor_pb2.FieldOptions],
) -> Iterator[AnnotatedMethod]:
    """Yields every method with a serving annotation."""
    for file in linked:
        for service in file.service:
            for method in service.method:
                if method.options.HasExtension(annotations_pb2.serving):
                    yield AnnotatedMethod(
                        service=f"{file.package}.{service.name}",
                        name=method.name,
                        serving=method.options.Extensions[annotations_pb2.serving],
                        request=message_class(pool, method.input_type),
                        response=message_class(pool, method.output_type),
                        options=options,
                    )


def message_class(pool: DescriptorPool, type_name: str) -> Any:
    """Returns the message class of a `.package.Message`."""
    descriptor: Descriptor = pool.FindMessageTypeByName(type_name.removeprefix("."))
    return message_factory.GetMessageClass(descriptor)
