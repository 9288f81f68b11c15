"""The native listener behind Envoy, in the form of a listener: what callers of the protected edge see."""

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import ExitStack

import grpc
from gapura_envoy.testing import running_edge
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.edge.calls import Traffic
from gateway.edge.endpoints import Table
from gateway.edge.native.listener import NativeListener
from gateway.interfaces import Telemetry

MIB = 1024 * 1024

# Envoy's own defences, which other tests are about, would end what the suite does on purpose on one connection.
GENEROUS = {"streams": 20_000, "premature_resets": 1_000_000, "heap_mib": 500}


def contract(service: str, stream: str) -> bytes:
    """Returns a descriptor set with one service that has one stream."""
    described = FileDescriptorSet()
    package, _, name = service.rpartition(".")
    file = described.file.add(name="test.proto", package=package)
    file.message_type.add(name="Any")
    kind = f".{package}.Any"
    file.service.add(name=name).method.add(
        name=stream, input_type=kind, output_type=kind, client_streaming=True, server_streaming=True
    )
    return described.SerializeToString()


STREAMS = contract("test.Edge", "Stream")


class EnvoyListener:
    """Takes what listeners take; its address is Envoy's."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a listener is made of
        self,
        address: str,  # noqa: ARG002 - it takes a free port
        table: Callable[[], Table],
        services: Callable[[grpc.aio.Server], None],
        max_message_bytes: int,
        telemetry: Telemetry,
        traffic: Traffic | None = None,
    ) -> None:
        self._stack = ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-"))
        self._worker = f"unix:{folder}/worker"
        self._native = NativeListener(self._worker, table, services, max_message_bytes, telemetry, traffic)
        self._message_mib = max_message_bytes // MIB

    async def start(self) -> str:
        """Starts the worker and Envoy; returns the address of Envoy."""
        await self._native.start()
        edge = running_edge([self._worker], [STREAMS], message_mib=self._message_mib, drain_seconds=0.1, **GENEROUS)
        running = await asyncio.to_thread(self._stack.enter_context, edge)
        return running.address

    async def stop(self, grace_seconds: float) -> None:
        """Drains Envoy, then the worker."""
        await asyncio.to_thread(self._stack.close)
        await self._native.stop(grace_seconds)
