"""gRPC reflection over contracts that may be replaced while the gateway serves."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from tritonclient.grpc import service_pb2

# Services that the gateway offers beside the typed ones.
OWN_FILES = (service_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)


class Reflection(reflection_pb2_grpc.ServerReflectionServicer):  # type: ignore[misc] # grpcio-reflection publishes no types
    """Lists services and hands out their descriptors."""

    def __init__(self) -> None:
        self._live = reflection.aio.ReflectionServicer(())

    def report(self, pool: DescriptorPool, typed: Iterable[str]) -> None:
        """Replaces what is known.

        Args:
            pool: The linked contracts; the gateway's own files are added to it.
            typed: Full names of the typed services.
        """
        for file in OWN_FILES:
            add_with_imports(pool, file)
        own = [service.full_name for file in OWN_FILES for service in file.services_by_name.values()]
        self._live = reflection.aio.ReflectionServicer((*typed, *own), pool=pool)

    async def ServerReflectionInfo(self, request_iterator: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: N802 - gRPC's name
        """Answers a stream of questions."""
        async for answer in self._live.ServerReflectionInfo(request_iterator, context):
            yield answer


def add_with_imports(pool: DescriptorPool, file: FileDescriptor) -> None:
    """Adds a file and what it imports to the pool."""
    for imported in file.dependencies:
        add_with_imports(pool, imported)
    pool.AddSerializedFile(file.serialized_pb)
