"""`grpc.health.v1`: the gateway as a whole (an empty name), each service and each model.

Whoever watches over the gateway asks for it as a whole, and needs no key. A name is told of to tenants that may call
what bears it; for all others it is unknown.
"""

from collections.abc import Mapping
from typing import Any

from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gateway.edge.callers import Callers
from gateway.interfaces import Tenant

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
WHOLE = ""

# What somebody asks for instead who may not know of a name: nobody reports it.
HIDDEN = health_pb2.HealthCheckRequest(service="?")


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # grpcio-health-checking publishes no types
    """Answers health checks and watches.

    Args:
        callers: Tells who asks.
    """

    def __init__(self, callers: Callers) -> None:
        self._callers = callers
        self._live = health.aio.HealthServicer()
        self._known: dict[str, bool] = {}
        self._models = set[str]()

    async def report(self, services: Mapping[str, bool], models: Mapping[str, bool]) -> None:
        """Replaces what is known: whether each name answers. Names that have gone do not.

        Args:
            services: By full name; the empty name is the gateway as a whole.
            models: By registered name; versions by it, `/` and their number.
        """
        names = {**services, **models}
        for name, healthy in {**dict.fromkeys(self._known, False), **names}.items():
            if self._known.get(name) is not healthy:  # a thousand models are told of every second
                await self._live.set(name, SERVING if healthy else NOT_SERVING)
        self._known = names
        self._models |= models.keys()

    async def drain(self) -> None:
        """Tells every check and watch to go elsewhere."""
        await self._live.enter_graceful_shutdown()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Says whether a name answers."""
        return await self._live.Check(await self._visible(request, context), context)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - gRPC's name
        """Says whether a name answers, now and whenever that changes."""
        await self._live.Watch(await self._visible(request, context), context)

    async def _visible(self, request: Any, context: Any) -> Any:
        """Returns what a caller asks for, or a name that nobody has."""
        if request.service == WHOLE and not self._callers.are_named(context):
            return request
        tenant = await self._callers.identify(context)
        return request if self._may_see(tenant, request.service) else HIDDEN

    def _may_see(self, tenant: Tenant, name: str) -> bool:
        if name in self._models:
            return tenant.may_call(name.partition("/")[0])
        return name == WHOLE or tenant.may_use(f"/{name}/")
