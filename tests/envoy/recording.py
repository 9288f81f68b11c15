"""A worker that notes what Envoy sends, in place of a gateway."""

from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


class Recorder(grpc.GenericRpcHandler):
    """Answers every method with the message, and keeps the metadata of each call.

    Attributes:
        calls: Metadata of every call but health checks, in the order in which they came.
    """

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Notes a call."""
        pairs = handler_call_details.invocation_metadata or ()
        self.calls.append({name: str(value) for name, value in pairs})
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, message: bytes, context: object) -> bytes:  # noqa: ARG002 - nothing is asked of it
        return message

    async def start(self, address: str) -> grpc.aio.Server:
        """Listens."""
        server = grpc.aio.server()
        checks = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        await checks.set("", health_pb2.HealthCheckResponse.SERVING)
        server.add_generic_rpc_handlers((self,))
        server.add_insecure_port(address)
        await server.start()
        return server
