"""One Triton server: its channels and the calls that the gateway makes to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from time import monotonic
from typing import Any

import grpc
from tritonclient.grpc import service_pb2

from gateway.backends.triton.faults import Blame, NodeFault, read_fault
from gateway.backends.triton.http2.channel import Channel
from gateway.protowire import LARGE_BYTES
from gateway.types import ModelVersion

SERVICE = "/inference.GRPCInferenceService"
GIVEN_UP = "the node stopped answering"
CONTROL_SECONDS = 120.0  # a large model takes its time to load

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
    # A node that comes back is found within half a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)


class Node:
    """A connection to one server. No method waits for a server that cannot be reached.

    Args:
        address: `host:port`.

    Attributes:
        address: `host:port`.
        outstanding_rows: Rows sent and not yet answered.
        answered_at: When it last answered anything, in seconds of `monotonic`.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.outstanding_rows = 0
        self.answered_at = 0.0
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._small = Channel(address, f"{SERVICE}/ModelInfer")
        self._large: Any = self._channel.stream_unary(f"{SERVICE}/ModelInfer")
        self._large_calls: set[Any] = set()

    async def infer(self, request: bytes, rows: int, timeout_seconds: float | None, context: str = "") -> bytes:
        """Sends a serialised `ModelInferRequest`; returns the serialised response.

        A large request takes grpcio's channel, where it holds up no other, and is let go of once it is sent: grpcio
        keeps that of a unary call until the answer is there, and that of a stream, which is the same on the wire, is
        ours.

        Args:
            request: The request.
            rows: Its rows.
            timeout_seconds: How long an answer is awaited.
            context: Its `traceparent`, if the server is to trace it.

        Raises:
            NodeFault: There is none.
        """
        self.outstanding_rows += rows
        try:
            if len(request) < LARGE_BYTES:
                return await self._answer_of(self._small.call(request, timeout_seconds, context))
            metadata = (("traceparent", context),) if context else None
            call = self._large(once([request]), timeout=timeout_seconds, metadata=metadata)
            del request
            return await self._answer_of_large(call)
        finally:
            self.outstanding_rows -= rows

    def begin(
        self, request: bytes, rows: int, timeout_seconds: float | None, context: str = ""
    ) -> asyncio.Future[bytes]:
        """Sends a serialised `ModelInferRequest`, as `infer`; returns what gets the serialised response.

        It fails with `NodeFault`, or with `NotTakenError` if the request may be sent again.
        """
        if len(request) >= LARGE_BYTES:
            return asyncio.ensure_future(self.infer(request, rows, timeout_seconds, context))
        self.outstanding_rows += rows
        answer = self._small.begin(request, timeout_seconds, context)
        answer.add_done_callback(partial(self._end, rows))
        return answer

    def give_up(self) -> None:
        """Fails the inferences under way: the server does not answer at all."""
        self._small.give_up(GIVEN_UP)
        for call in self._large_calls:
            call.cancel()

    async def is_ready(self, model: str, version: int | None, timeout_seconds: float) -> bool:
        """Asks whether a model version is loaded; without a version, whether any is.

        Raises:
            NodeFault: No answer.
        """
        request = service_pb2.ModelReadyRequest(name=model, version="" if version is None else str(version))
        message = await self.call("ModelReady", request.SerializeToString(), timeout_seconds)
        return bool(service_pb2.ModelReadyResponse.FromString(message).ready)

    async def config(self, version: ModelVersion, timeout_seconds: float) -> bytes:
        """Returns the serialised `inference.ModelConfig` that a loaded version runs with.

        Raises:
            NodeFault: No answer.
        """
        request = service_pb2.ModelConfigRequest(name=version.model, version=str(version.number))
        message = await self.call("ModelConfig", request.SerializeToString(), timeout_seconds)
        return bytes(service_pb2.ModelConfigResponse.FromString(message).config.SerializeToString())

    async def load(self, model: str) -> None:
        """Loads the versions that the model's configuration names.

        Raises:
            NodeFault: It refuses, or does not answer.
        """
        request = service_pb2.RepositoryModelLoadRequest(model_name=model)
        await self.call("RepositoryModelLoad", request.SerializeToString(), CONTROL_SECONDS)

    async def unload(self, model: str) -> None:
        """Unloads every version of a model.

        Raises:
            NodeFault: It refuses, or does not answer.
        """
        request = service_pb2.RepositoryModelUnloadRequest(model_name=model)
        await self.call("RepositoryModelUnload", request.SerializeToString(), CONTROL_SECONDS)

    async def call(self, method: str, request: bytes, timeout_seconds: float) -> bytes:
        """Calls any unary method of `inference.GRPCInferenceService`; returns the serialised response.

        Raises:
            NodeFault: There is none.
        """
        stub: Any = self._channel.unary_unary(f"{SERVICE}/{method}")
        return await self._answer_of(stub(request, timeout=timeout_seconds))

    async def close(self) -> None:
        """Ends the connection; calls under way fail."""
        await self._small.close()
        await self._channel.close()

    def _end(self, rows: int, answer: asyncio.Future[bytes]) -> None:
        self.outstanding_rows -= rows
        fault = None if answer.cancelled() else answer.exception()
        if isinstance(fault, NodeFault):
            self._take_note(fault)
        elif fault is None and not answer.cancelled():
            self.answered_at = monotonic()

    async def _answer_of_large(self, call: Any) -> bytes:
        self._large_calls.add(call)
        try:
            return await self._answer_of(call)
        finally:
            self._large_calls.discard(call)

    async def _answer_of(self, call: Awaitable[bytes]) -> bytes:
        try:
            message = await call
        except NodeFault as told:
            self._take_note(told)
            raise
        except grpc.aio.AioRpcError as error:
            fault = read_fault(error)
            self._take_note(fault)
            raise fault from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise NodeFault(Blame.NODE, grpc.StatusCode.UNAVAILABLE, GIVEN_UP) from None
        self.answered_at = monotonic()
        return message

    def _take_note(self, fault: NodeFault) -> None:
        if fault.blame not in (Blame.NODE, Blame.TIME):
            self.answered_at = monotonic()


async def once(messages: list[bytes]) -> AsyncIterator[bytes]:
    """Yields a message, and keeps nothing of it."""
    yield messages.pop()
