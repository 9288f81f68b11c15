"""`ModelStreamInfer`: many requests in one stream, answered at the same time and told in their order.

An error of one request is told in its place, and the stream goes on. Where a caller sends `triton_grpc_error: true`
a model's own failure ends the stream with its status, as in Triton; a request that is refused still does not.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from gateway.edge.status import message_of
from gateway.errors import GatewayError, InvalidRequest, NotFound, PermissionDenied, Unimplemented
from gateway.interfaces import Admission
from gateway.protowire import LENGTH_DELIMITED, write_varint
from gateway.types import Call

MOST_IN_FLIGHT = 256
INFER_RESPONSE = 2

# Every answer of a model is its last: none of the models served sends several.
FINAL = {"triton_final_response": service_pb2.InferParameter(bool_param=True)}
FINAL_BYTES = service_pb2.ModelInferResponse(parameters=FINAL).SerializeToString()

# Refusals that Triton makes before it gives a request to its model.
REFUSALS = (InvalidRequest, NotFound, PermissionDenied, Unimplemented)

Requests = asyncio.Queue[asyncio.Task[bytes] | None]


class InferStream:
    """Answers streams.

    Args:
        tenants: Know the callers.
        infer: Answers one `ModelInfer`.
    """

    def __init__(self, tenants: Admission, infer: Callable[[Call], Awaitable[bytes]]) -> None:
        self._tenants = tenants
        self._infer = infer

    async def answer(self, call: Call, messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Answers the requests of one stream; no more are read while `MOST_IN_FLIGHT` have no answer.

        Raises:
            Unauthenticated: The caller is not known.
        """
        self._tenants.admit(call)
        answers: Requests = asyncio.Queue(MOST_IN_FLIGHT)
        reading = asyncio.create_task(self._read(call, messages, answers))
        try:
            while (answer := await answers.get()) is not None:
                try:
                    yield await answer
                finally:
                    answer.cancel()
            await reading
        finally:
            await abandon(reading, answers)

    async def _read(self, call: Call, messages: AsyncIterator[bytes], answers: Requests) -> None:
        """Starts to answer each message as it comes."""
        try:
            async for message in messages:
                task = asyncio.create_task(self._answer(call._replace(message=message)))
                try:
                    await answers.put(task)
                except asyncio.CancelledError:
                    task.cancel()
                    raise
        finally:
            await answers.put(None)

    async def _answer(self, call: Call) -> bytes:
        try:
            return wrap(await self._infer(call))
        except GatewayError as error:
            if call.ends_on_failure and not isinstance(error, REFUSALS):
                raise
            return tell(error, call.message)


async def abandon(reading: asyncio.Task[None], answers: Requests) -> None:
    """Ends whatever a stream has under way."""
    tasks: list[asyncio.Task[Any]] = [reading]
    reading.cancel()
    while not answers.empty():
        answer = answers.get_nowait()
        if answer is not None:
            answer.cancel()
            tasks.append(answer)
    await asyncio.gather(*tasks, return_exceptions=True)


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
