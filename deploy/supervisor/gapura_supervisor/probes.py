"""The kinds of probes: gRPC health, HTTP, a bare connection, each anew over a connection of its own; and none."""

import asyncio
import http
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gapura_supervisor.part import Health

_TIMEOUT_SECONDS = 3.0
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


@dataclass(frozen=True, slots=True)
class GrpcHealth:
    """Asks `grpc.health.v1`.

    Attributes:
        target: `host:port`, or `unix:/path`.
        service: What is asked for; all of it by default.
    """

    target: str
    service: str = ""

    async def look(self) -> Health:
        """Ready if it says SERVING."""
        async with grpc.aio.insecure_channel(self.target, options=_OWN_CONNECTION) as channel:
            request = health_pb2.HealthCheckRequest(service=self.service)
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=_TIMEOUT_SECONDS)
            except grpc.aio.AioRpcError as error:
                unanswered = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
                return Health.SILENT if unanswered else Health.UNREADY
        return Health.READY if answer.status == health_pb2.HealthCheckResponse.SERVING else Health.UNREADY


@dataclass(frozen=True, slots=True)
class HttpOk:
    """Asks for a page by HTTP/1.1, on loopback.

    Attributes:
        port: Of the server.
        path: Of the page.
    """

    port: int
    path: str

    async def look(self) -> Health:
        """Ready if the answer is 200."""
        request = f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(request.encode())
                    status = (await reader.readline()).split()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return Health.SILENT
        ready = status[1:2] == [str(http.HTTPStatus.OK.value).encode()]
        return Health.READY if ready else Health.UNREADY if status else Health.SILENT


@dataclass(frozen=True, slots=True)
class Connects:
    """Connects to a port on loopback, and says nothing.

    Attributes:
        port: Of the server.
    """

    port: int

    async def look(self) -> Health:
        """Ready if somebody listens."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except (OSError, TimeoutError):
            return Health.SILENT
        writer.close()
        return Health.READY


@dataclass(frozen=True, slots=True)
class Runs:
    """Asks nothing: for a part that nobody calls."""

    async def look(self) -> Health:
        """Ready as long as it runs."""
        return Health.READY
