"""`ModelStreamInfer`: many requests in one stream, answered at the same time and told in their order.

Only decoupled models are told of as they send: each of their requests in its order, with others between, as in Triton.

An error of one request is told in its place, and the stream goes on. Where a caller sends `triton_grpc_error: true`
a model's own failure ends the stream with its status, as in Triton; a request that is refused still does not.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from time import perf_counter

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from gateway.calls import Call
from gateway.edge.kserve.outbox import Outbox
from gateway.edge.status import code_of_leaving, message_of, number_of, wire_status
from gateway.errors import Decoupled, GatewayError, InvalidRequest, NotFound, PermissionDenied, Unimplemented
from gateway.interfaces import Admission, Telemetry
from gateway.protowire import LENGTH_DELIMITED, write_varint

MOST_IN_FLIGHT = 256
INFER_RESPONSE = 2

# The answer of a model that is not decoupled is its last.
FINAL = {"triton_final_response": service_pb2.InferParameter(bool_param=True)}
FINAL_BYTES = service_pb2.ModelInferResponse(parameters=FINAL).SerializeToString()

# Refusals that Triton makes before it gives a request to its model.
REFUSALS = (InvalidRequest, NotFound, PermissionDenied, Unimplemented)


class InferStream:
    """Answers streams.

    Args:
        tenants: Know the callers.
        telemetry: Knows what becomes of each request.
        infer: Answers one `ModelInfer`.
        stream: Answers one by a decoupled model, with messages of the stream.
    """

    def __init__(
        self,
        tenants: Admission,
        telemetry: Telemetry,
        infer: Callable[[Call], Awaitable[bytes]],
        stream: Callable[[Call], AsyncGenerator[bytes, None]],
    ) -> None:
        self._tenants = tenants
        self._telemetry = telemetry
        self._infer = infer
        self._stream = stream

    async def answer(self, call: Call, messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Answers the requests of one stream; no more are read while `MOST_IN_FLIGHT` have no answer.

        Raises:
            Unauthenticated: The caller is not known.
            PermissionDenied: It may not call the service.
        """
        self._tenants.identify(call).check(call)
        outbox = Outbox(MOST_IN_FLIGHT)
        outbox.start(self._read(call, messages, outbox))
        try:
            async with aclosing(outbox.messages()) as answers:
                async for message in answers:
                    yield message
        finally:
            await outbox.close()

    async def _read(self, call: Call, messages: AsyncIterator[bytes], outbox: Outbox) -> None:
        """Starts to answer each message as it comes."""
        async for message in messages:
            trace = self._telemetry.begin(call.path, perf_counter(), call.trace.parent, call.trace.state)
            each = call._replace(message=message, trace=trace)
            await outbox.put(asyncio.create_task(self._answer(each, outbox)))
            await outbox.room()

    async def _answer(self, call: Call, outbox: Outbox) -> bytes:
        """Returns the answer, or nothing where a decoupled model is to write its responses as they come."""
        try:
            answer = wrap(await self._infer(call))
        except Decoupled:
            outbox.start(self._pump(call, outbox))
            return b""
        except GatewayError as error:
            self._telemetry.end(call.trace, number_of(wire_status(error)[0]), error)
            return told_in_stream(call, error)
        except asyncio.CancelledError:
            self._telemetry.end(call.trace, code_of_leaving(call.trace.received, call.deadline))
            raise
        self._telemetry.end(call.trace)
        return answer

    async def _pump(self, call: Call, outbox: Outbox) -> None:
        """Writes the responses of a decoupled model."""
        try:
            async with aclosing(self._stream(call)) as responses:
                async for response in responses:
                    await outbox.put_made(response)
            self._telemetry.end(call.trace)
        except GatewayError as error:
            self._telemetry.end(call.trace, number_of(wire_status(error)[0]), error)
            await outbox.put_made(told_in_stream(call, error))


def told_in_stream(call: Call, error: GatewayError) -> bytes:
    """Makes a stream's message of an error.

    Raises:
        GatewayError: The error, where it is to end the stream.
    """
    if call.ends_on_failure and not isinstance(error, REFUSALS):
        raise error
    return tell(error, call.message)


def wrap(response: bytes) -> bytes:
    """Makes a stream's message of a response, which ends with the mark of the last one."""
    header = write_varint(INFER_RESPONSE << 3 | LENGTH_DELIMITED) + write_varint(len(response) + len(FINAL_BYTES))
    return b"".join((header, response, FINAL_BYTES))


def tell(error: GatewayError, message: bytes) -> bytes:
    """Makes a stream's message of an error."""
    try:
        request = service_pb2.ModelInferRequest.FromString(message)
    except DecodeError:
        request = service_pb2.ModelInferRequest()
    told = service_pb2.ModelInferResponse(id=request.id)
    if not isinstance(error, REFUSALS):
        told = service_pb2.ModelInferResponse(id=request.id, model_name=request.model_name, parameters=FINAL)
    return bytes(
        service_pb2.ModelStreamInferResponse(error_message=message_of(error), infer_response=told).SerializeToString()
    )
