"""gRPC reflection over contracts that may be replaced while the gateway serves."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from google.protobuf import descriptor_pool
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
            pool: The linked contracts.
            typed: Full names of the typed services.
        """
        services = [service.full_name for file in OWN_FILES for service in file.services_by_name.values()]
        self._live = reflection.aio.ReflectionServicer((*typed, *services), pool=BothPools(pool))

    async def ServerReflectionInfo(self, request_iterator: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: N802 - gRPC's name
        """Answers a stream of questions."""
        async for answer in self._live.ServerReflectionInfo(request_iterator, context):
            yield answer


class BothPools:
    """Looks in the contracts first and then among the gateway's own files, so that names in the two never clash."""

    def __init__(self, contracts: DescriptorPool) -> None:
        self._contracts = contracts

    def __getattr__(self, find: str) -> Callable[..., Any]:
        """Returns a search in both pools; the pools have nine, named `Find...`."""

        def search(*arguments: Any) -> Any:
            try:
                return getattr(self._contracts, find)(*arguments)
            except KeyError:
                return getattr(descriptor_pool.Default(), find)(*arguments)

        return search
