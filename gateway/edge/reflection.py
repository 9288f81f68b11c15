"""gRPC reflection over contracts that may be replaced while the gateway serves: a tenant sees what it may call."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from erpml.hub.v1 import feature_store_service_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from tritonclient.grpc import service_pb2

from gateway.edge.callers import Callers
from gateway.interfaces import Tenant

# The files of services that a process may offer beside the typed ones; every process offers the first.
ALWAYS = (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)
KSERVE_FILE, FEATURE_STORE_FILE = service_pb2.DESCRIPTOR, feature_store_service_pb2.DESCRIPTOR

MOST_VIEWS = 256


class Reflection(reflection_pb2_grpc.ServerReflectionServicer):  # type: ignore[misc] # grpcio-reflection publishes no types
    """Lists services and hands out their descriptors.

    Args:
        callers: Tells who asks.
        files: Declare the services that are there whatever the contracts say.
    """

    def __init__(self, callers: Callers, files: Iterable[FileDescriptor]) -> None:
        self._callers = callers
        self._own = {service.full_name: file for file in files for service in file.services_by_name.values()}
        self._pool = DescriptorPool()
        self._methods: dict[str, list[tuple[str, str]]] = {}
        self._views: dict[Tenant, Any] = {}

    def report(self, pool: DescriptorPool, methods: Iterable[tuple[str, str]]) -> None:
        """Replaces what is known.

        Args:
            pool: The linked contracts.
            methods: Path of each typed method, and the model that answers it.
        """
        self._pool, self._methods, self._views = pool, {}, {}
        for path, model in methods:
            self._methods.setdefault(path.split("/")[1], []).append((path, model))

    async def ServerReflectionInfo(self, request_iterator: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: N802 - gRPC's name
        """Answers a stream of questions, of a caller that is known."""
        tenant = await self._callers.identify(context)
        async for answer in self._view(tenant).ServerReflectionInfo(request_iterator, context):
            yield answer

    def _view(self, tenant: Tenant) -> Any:
        """Returns what answers a tenant."""
        view = self._views.get(tenant)
        if view is None:
            if len(self._views) >= MOST_VIEWS:
                self._views.clear()
            typed = {name: self._pool.FindServiceByName(name).file for name in self._typed(tenant)}
            own = {name: file for name, file in self._own.items() if tenant.may_use(f"/{name}/")}
            pool = VisibleFiles(self._pool, [*typed.values(), *own.values()])
            view = self._views[tenant] = reflection.aio.ReflectionServicer((*typed, *own), pool=pool)
        return view

    def _typed(self, tenant: Tenant) -> list[str]:
        """Returns the typed services of which the tenant may call a method."""
        return [
            service
            for service, methods in self._methods.items()
            if any(tenant.may_use(path) and tenant.may_call(model) for path, model in methods)
        ]


class VisibleFiles:
    """Looks in the contracts first and then among the gateway's own files, so that names in the two never clash.

    Args:
        contracts: The linked contracts.
        files: Those that may be seen, with whatever they import.
    """

    def __init__(self, contracts: DescriptorPool, files: Iterable[FileDescriptor]) -> None:
        self._contracts = contracts
        self._visible = set[str]()
        for file in files:
            self._show(file)

    def __getattr__(self, find: str) -> Callable[..., Any]:
        """Returns a search in both pools; the pools have nine, named `Find...`."""

        def search(*arguments: Any) -> Any:
            try:
                found = getattr(self._contracts, find)(*arguments)
            except KeyError:
                found = getattr(descriptor_pool.Default(), find)(*arguments)
            if isinstance(found, list):
                return [each for each in found if self._is_visible(each)]
            if not self._is_visible(found):
                raise KeyError(arguments)
            return found

        return search

    def _show(self, file: FileDescriptor) -> None:
        if file.name not in self._visible:
            self._visible.add(file.name)
            for imported in file.dependencies:
                self._show(imported)

    def _is_visible(self, found: Any) -> bool:
        return (found if isinstance(found, FileDescriptor) else found.file).name in self._visible
