"""What the edge has to know of methods: which stream, which may be asked twice, and which have a path for REST."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2

from gapura_envoy.errors import EdgeError

# The gateway's own services are no part of its contracts.
KSERVE = "/inference.GRPCInferenceService"
OWN_STREAMS = (
    f"{KSERVE}/ModelStreamInfer",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
)
OWN_COMMANDS = tuple(
    f"{KSERVE}/{name}"
    for name in (
        "RepositoryModelLoad",
        "RepositoryModelUnload",
        "SystemSharedMemoryRegister",
        "SystemSharedMemoryUnregister",
        "CudaSharedMemoryRegister",
        "CudaSharedMemoryUnregister",
        "TraceSetting",
        "LogSettings",
    )
)


@dataclass(frozen=True, slots=True)
class Methods:
    """What the edge knows of methods; whatever is not named here is unary and may be asked twice.

    Attributes:
        streams: Paths of those whose callers send several messages, or get several.
        commands: Paths of those that may not be asked twice.
        services: Full names of services with methods that have a path for REST.
        descriptors: Serialised descriptor set of those, and of what errors carry.
    """

    streams: tuple[str, ...]
    commands: tuple[str, ...]
    services: tuple[str, ...]
    descriptors: bytes


def read_methods(sets: Iterable[bytes], services: Iterable[str] | None = None) -> Methods:
    """Reads descriptor sets, each with its imports; a file that several carry is taken from the first.

    Args:
        sets: Serialised descriptor sets.
        services: Full names of the services to be had over REST; all that are annotated if not given.

    Raises:
        EdgeError: One is no descriptor set.
    """
    files: dict[str, FileDescriptorProto] = {}
    for content in sets:
        for file in parse_set(content):
            files.setdefault(file.name, file)
    known = list(methods_of(files.values()))
    annotated = {service for service, method in known if method.options.HasExtension(annotations_pb2.http)}
    return Methods(
        streams=(*OWN_STREAMS, *(path_of(each) for each in known if streams(each[1]))),
        commands=(
            *OWN_COMMANDS,
            *(path_of(each) for each in known if not streams(each[1]) and not repeatable(each[1])),
        ),
        services=tuple(sorted(annotated if services is None else annotated & set(services))),
        descriptors=FileDescriptorSet(file=with_details(files)).SerializeToString(),
    )


def parse_set(content: bytes) -> Iterable[FileDescriptorProto]:
    """Reads one descriptor set.

    Raises:
        EdgeError: The bytes are none.
    """
    try:
        return FileDescriptorSet.FromString(content).file
    except DecodeError as error:
        raise EdgeError("not a descriptor set; write it with protoc --include_imports") from error


def methods_of(files: Iterable[FileDescriptorProto]) -> Iterator[tuple[str, MethodDescriptorProto]]:
    """Yields every method with the full name of its service."""
    for file in files:
        for service in file.service:
            for method in service.method:
                yield f"{file.package}.{service.name}", method


def path_of(method: tuple[str, MethodDescriptorProto]) -> str:
    """Returns `/package.Service/Method`."""
    return f"/{method[0]}/{method[1].name}"


def streams(method: MethodDescriptorProto) -> bool:
    """Says whether either side sends several messages."""
    return method.client_streaming or method.server_streaming


def repeatable(method: MethodDescriptorProto) -> bool:
    """Says whether a method's contract lets it be asked twice."""
    return method.options.idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN


def with_details(files: dict[str, FileDescriptorProto]) -> Iterator[FileDescriptorProto]:
    """Yields the files, each after its imports as Envoy wants them, and the types of errors' details."""
    waiting = dict(files)
    for own in (error_details_pb2.DESCRIPTOR, *error_details_pb2.DESCRIPTOR.dependencies):
        if own.name not in waiting:
            waiting[own.name] = FileDescriptorProto.FromString(own.serialized_pb)
    while waiting:
        ready = [file for file in waiting.values() if not waiting.keys() & set(file.dependency)]
        if not ready:
            raise EdgeError(f"{', '.join(waiting)} import each other")
        for file in ready:
            yield waiting.pop(file.name)
