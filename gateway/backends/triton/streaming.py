"""Streams of responses: what a decoupled model on a node sends to one request, over `ModelStreamInfer`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import grpc
from tritonclient.grpc import service_pb2

from gateway.backends.triton.delivery import MOST_TRIES, error_of, model_failed, no_node, unavailable
from gateway.backends.triton.faults import NOT_LOADED, STUB_DIED, Blame, NodeFault, fault_of, read_fault
from gateway.backends.triton.node import Node
from gateway.backends.triton.pool import Pool
from gateway.backends.triton.wire import decode_streamed, encode_request
from gateway.types import ModelVersion, Response, Tensors

METHOD = "/inference.GRPCInferenceService/ModelStreamInfer"
OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
LAST = "triton_final_response"

# The last response is always asked for: it tells a stream that has ended from one that broke off.
WISH = service_pb2.ModelInferRequest(
    parameters={"triton_enable_empty_final_response": service_pb2.InferParameter(bool_param=True)}
).SerializeToString()


async def stream_from(
    pool: Pool, version: ModelVersion, inputs: Tensors, deadline: float | None
) -> AsyncGenerator[Response, None]:
    """Yields what a decoupled model sends to one request; another node is tried while nothing has come.

    Args:
        pool: Knows the replicas.
        version: Who answers.
        inputs: Valid against the version's signature.
        deadline: When nobody listens any more, in seconds of the event loop's clock.

    Raises:
        Unavailable: No node is ready, or the one that sent broke off.
        InvalidRequest: The node refuses the request.
        ModelFailed: The model failed for good.
    """
    request, tried = encode_request(version, inputs) + WISH, list[Node]()
    while True:
        replica = pool.choose(version, tried)
        if replica is None:
            raise no_node(version, len(pool.replicas(version)))
        tried.append(replica.node)
        started, begun = monotonic(), False
        try:
            async with opened(replica.node, request, inputs.rows, deadline) as messages:
                async for message in messages:
                    response, last = read_response(version, message)
                    begun = True
                    yield response
                    if last:
                        return
            raise broken_off()
        except NodeFault as fault:
            pool.failed(replica, fault, started)
            elsewhere = fault.blame in (Blame.NODE, Blame.MODEL_MISSING, Blame.MODEL_SICK)
            if begun or not elsewhere or len(tried) == MOST_TRIES or pool.choose(version, tried) is None:
                lost = unavailable(version, "the node that sent its responses is lost")
                raise error_of(version, fault, lost) from fault


@asynccontextmanager
async def opened(node: Node, request: bytes, rows: int, deadline: float | None) -> AsyncGenerator[Any]:
    """Sends one request on a stream of its own; yields the call, whose messages are `ModelStreamInferResponse`.

    Streams stay for long, and there are few: each has a channel, and holds up no other call.

    Raises:
        NodeFault: The node cannot be reached, or the stream breaks off.
    """
    timeout_seconds = None if deadline is None else max(deadline - asyncio.get_running_loop().time(), 0.0)
    node.outstanding_rows += rows
    try:
        async with grpc.aio.insecure_channel(node.address, options=OPTIONS) as channel:
            stub: Any = channel.stream_stream(METHOD)
            yield stub(iter([request]), timeout=timeout_seconds)
    except grpc.aio.AioRpcError as error:
        raise read_fault(error) from error
    finally:
        node.outstanding_rows -= rows


def read_response(version: ModelVersion, message: bytes) -> tuple[Response, bool]:
    """Reads one message of a stream; says also whether it is the last.

    Raises:
        NodeFault: The server, and not the model, speaks: it has not loaded the model, or refuses the request.
        ModelFailed: The outputs are not what the signature says.
    """
    told = service_pb2.ModelStreamInferResponse.FromString(message)
    error, response = told.error_message, told.infer_response
    if error and (LAST not in response.parameters or STUB_DIED in error):
        code = grpc.StatusCode.INTERNAL if STUB_DIED in error else grpc.StatusCode.INVALID_ARGUMENT
        missing = any(text in error for text in NOT_LOADED)
        raise fault_of(grpc.StatusCode.NOT_FOUND if missing else code, error)
    failure = model_failed(version, fault_of(grpc.StatusCode.INTERNAL, error)) if error else None
    return Response(decode_streamed(version, response), failure), response.parameters[LAST].bool_param


def broken_off() -> NodeFault:
    """The fault of a stream that has ended without its last response."""
    return NodeFault(Blame.NODE, grpc.StatusCode.UNAVAILABLE, "the stream of responses broke off")
