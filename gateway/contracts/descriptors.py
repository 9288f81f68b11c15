"""Reads descriptor sets: which methods are annotated, and with what message classes they speak."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from erpml.annotations.v1 import annotations_pb2
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from gateway.errors import ContractError

BUILT_IN = "contracts.binpb"
NONE: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AnnotatedMethod:
    """A method that a model answers.

    Attributes:
        service: Full name of its service.
        name: Name within the service.
        serving: What its annotation says.
        request: Message class of the request.
        response: Message class of the response.
        streaming: Whether either side streams.
    """

    service: str
    name: str
    serving: annotations_pb2.Serving
    request: Any
    response: Any
    streaming: bool

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
    """The files of descriptor sets, linked.

    Attributes:
        pool: The linked files.
        methods: Annotated methods of all sets.
        sets: The further sets that are linked, by name.
        faults: Why a set was left out, or stayed as it was, by its name.
        origins: Name of the further set that brought a file, by the file's name.
    """

    pool: DescriptorPool
    methods: tuple[AnnotatedMethod, ...]
    sets: Mapping[str, bytes]
    faults: Mapping[str, str]
    origins: Mapping[str, str]

    def set_of(self, path: str) -> str:
        """Returns the name of the further set that declares the method of a path; empty if it is built in."""
        file = self.pool.FindServiceByName(path.split("/")[1]).file
        return self.origins.get(file.name, "")


def built_in_contracts() -> bytes:
    """Returns the descriptor set of the contracts that this release ships."""
    return (files("erpml") / BUILT_IN).read_bytes()


def sets_in(folder: Path) -> Sequence[Path]:
    """Returns the descriptor sets of a folder, which may be missing, in the order of their names."""
    return sorted(folder.glob("*.binpb"))


def read_sets(folder: Path, faults: dict[str, str]) -> dict[str, bytes]:
    """Reads the descriptor sets of a folder, by path; notes those that cannot be read."""
    contents = {}
    for path in sets_in(folder):
        try:
            contents[str(path)] = path.read_bytes()
        except OSError as error:
            faults[str(path)] = f"cannot be read: {error.strerror}"
    return contents


def link(further: Mapping[str, bytes], live: Mapping[str, bytes] = NONE) -> ContractSet:
    """Links the built-in contracts and further descriptor sets; a set that does not fit stays as it was, or out.

    A file that several sets carry is taken from the first. Sets that stay the same come first, then those that change,
    so that no set takes anything from one that is live.

    Args:
        further: Descriptor sets by a name to speak of them.
        live: Those that are linked now.
    """
    linked = parse_set(built_in_contracts())
    pool, sets, faults, origins = pool_of(linked), dict[str, bytes](), dict[str, str](), dict[str, str]()
    for name in sorted(further, key=lambda name: (further[name] != live.get(name), name not in live)):
        for content in dict.fromkeys((further[name], live.get(name, further[name]))):
            try:
                wider = merge_sets(linked, parse_set(content))
                pool = pool_of(wider)
            except ContractError as error:
                faults.setdefault(name, error.message)
                continue
            origins |= dict.fromkeys({file.name for file in wider} - {file.name for file in linked}, name)
            linked, sets[name] = wider, content
            break
    methods = annotated_methods(pool, [file.name for file in linked])
    return ContractSet(pool, tuple(methods), sets, faults, origins)


def parse_set(content: bytes) -> list[descriptor_pb2.FileDescriptorProto]:
    """Reads one descriptor set.

    Raises:
        ContractError: The bytes are no descriptor set.
    """
    try:
        files = list(descriptor_pb2.FileDescriptorSet.FromString(content).file)
    except DecodeError as error:
        raise ContractError("not a descriptor set; write it with protoc --include_imports") from error
    if not files:
        raise ContractError("an empty descriptor set; write it with protoc --include_imports")
    if not all(isinstance(file.name, str) for file in files):  # bytes where they are no UTF-8
        raise ContractError("not a descriptor set: the name of a file is no text; write it with protoc")
    return files


def merge_sets(
    linked: Iterable[descriptor_pb2.FileDescriptorProto], further: Iterable[descriptor_pb2.FileDescriptorProto]
) -> list[descriptor_pb2.FileDescriptorProto]:
    """Returns the files of both, each once."""
    return list({file.name: file for file in (*further, *linked)}.values())


def pool_of(linked: Iterable[descriptor_pb2.FileDescriptorProto]) -> DescriptorPool:
    """Links files, whatever their order.

    Raises:
        ContractError: They clash, or one imports another that is missing.
    """
    pool, waiting = DescriptorPool(), {file.name: file for file in linked}
    while waiting:
        ready = [file for file in waiting.values() if not waiting.keys() & set(file.dependency)]
        if not ready:
            raise ContractError(f"{', '.join(waiting)} import each other")
        for file in ready:
            add_file(pool, waiting.pop(file.name))
    return pool


def add_file(pool: DescriptorPool, file: descriptor_pb2.FileDescriptorProto) -> None:
    """Adds one file, whose imports are there, to the pool.

    Raises:
        ContractError: It clashes with another file, or imports one that is missing.
    """
    try:
        pool.AddSerializedFile(file.SerializeToString())
        pool.FindFileByName(file.name)
    except (KeyError, TypeError) as error:
        raise ContractError(f"{file.name} cannot be linked: {error}; compile it with --include_imports") from error


def annotated_methods(pool: DescriptorPool, names: Iterable[str]) -> Iterator[AnnotatedMethod]:
    """Yields every method with a serving annotation."""
    for name in names:
        for service in pool.FindFileByName(name).services_by_name.values():
            for method in service.methods:
                if method.GetOptions().HasExtension(annotations_pb2.serving):
                    yield describe(method)


def describe(method: MethodDescriptor) -> AnnotatedMethod:
    """Reads an annotated method."""
    return AnnotatedMethod(
        service=method.containing_service.full_name,
        name=method.name,
        serving=method.GetOptions().Extensions[annotations_pb2.serving],
        request=message_factory.GetMessageClass(method.input_type),
        response=message_factory.GetMessageClass(method.output_type),
        streaming=method.client_streaming or method.server_streaming,
    )
