"""`grpc.health.v1`: the gateway as a whole (an empty name), each service and each model."""

from collections.abc import Mapping

from grpc_health.v1 import health, health_pb2

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """What health checks and watches are told."""

    def __init__(self) -> None:
        self.servicer = health.aio.HealthServicer()
        self._known: dict[str, bool] = {}

    async def report(self, names: Mapping[str, bool]) -> None:
        """Replaces what is known: whether each name answers. Names that have gone do not."""
        for name, healthy in {**dict.fromkeys(self._known, False), **names}.items():
            if self._known.get(name) is not healthy:  # a thousand models are told of every second
                await self.servicer.set(name, SERVING if healthy else NOT_SERVING)
        self._known = dict(names)

    async def drain(self) -> None:
        """Tells every check and watch to go elsewhere."""
        await self.servicer.enter_graceful_shutdown()
