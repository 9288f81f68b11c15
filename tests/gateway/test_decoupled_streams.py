"""Streams of decoupled models at the edge: responses as they come, bounded, and nothing is left of what ends early."""

import asyncio
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2

from gateway.edge.kserve.streams import MOST_IN_FLIGHT
from gateway.errors import ModelFailed
from gateway.testing import FakeLanes
from gateway.types import Response, Tensors, Terms
from tests.gateway.test_streams import INFER, METADATA, answered, listening, request, stream_to, table_of


def told(*, last: bool) -> Terms:
    """Returns the terms of a response."""
    response = service_pb2.ModelInferResponse()
    response.parameters["triton_final_response"].bool_param = last
    return Terms((), response.SerializeToString())


ROW = Response(Tensors(1, ((1,),), (bytes(4),), told(last=False)))
LAST = Response(Tensors(0, (), (), told(last=True)))


def decoupled(*responses: Response) -> FakeLanes:
    """Returns a backend whose model sends these to each request."""
    return FakeLanes(responses=responses)


async def test_responses_come_as_they_are_sent_and_those_of_one_request_in_order() -> None:
    async with listening(table_of(decoupled(ROW, ROW, LAST))) as (_, channel):
        ids = [answered(message) async for message in stream_to(channel, map(request, range(500)))]
    assert sorted(ids, key=int) == [str(number) for number in range(500) for _ in range(2)]


async def test_a_response_does_not_wait_for_those_of_the_request_before() -> None:
    backend = decoupled(ROW)
    async with listening(table_of(backend)) as (_, channel):
        backend.open.clear()
        call = stream_to(channel, None)
        await call.write(request(1))
        while not backend.batches:
            await asyncio.sleep(0.01)
        held, backend.open = backend.open, asyncio.Event()
        backend.open.set()
        await call.write(request(2))
        assert answered(await call.read()) == "2"
        held.set()
        assert answered(await call.read()) == "1"
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


async def test_no_more_is_read_than_may_be_in_flight() -> None:
    backend = decoupled(ROW)
    backend.open.clear()
    async with listening(table_of(backend)) as (_, channel):
        call = stream_to(channel, map(request, range(3000)))
        await asyncio.sleep(1)
        assert MOST_IN_FLIGHT <= len(backend.batches) <= 2 * MOST_IN_FLIGHT + 2
        backend.open.set()
        assert len([message async for message in call]) == 3000


async def test_a_model_that_never_ends_is_held_up_by_a_caller_that_does_not_read() -> None:
    backend = decoupled(*[ROW] * 100_000)
    async with listening(table_of(backend)) as (_, channel):
        call = stream_to(channel, [request(1)])
        assert answered(await call.read()) == "1"
        call.cancel()


@pytest.mark.parametrize("count", [1, 400])
async def test_nothing_is_left_of_a_stream_that_its_caller_cancels(count: int) -> None:
    backend = decoupled(ROW, LAST)
    backend.open.clear()
    async with listening(table_of(backend)) as (_, channel):
        call = stream_to(channel, map(request, range(count)))
        while len(backend.batches) < min(count, MOST_IN_FLIGHT):
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.read()


async def test_a_failure_is_told_among_the_responses() -> None:
    failure = Response(Tensors(0, (), (), told(last=False)), ModelFailed("m", 1, "failed: odd"))
    async with listening(table_of(decoupled(ROW, failure, ROW))) as (_, channel):
        messages = [message async for message in stream_to(channel, [request(1)])]
    errors = [service_pb2.ModelStreamInferResponse.FromString(message).error_message for message in messages]
    assert errors == ["", "model 'm' version 1 failed: odd", ""]


async def test_a_call_of_one_answer_is_refused_before_its_inputs_are_looked_at() -> None:
    async with listening(table_of(decoupled(ROW))) as (_, channel):
        method: Any = channel.unary_unary(INFER)
        call = method(request(1), metadata=METADATA)
        assert (await call.code()).name == "UNIMPLEMENTED"
        assert await call.details() == "ModelInfer RPC doesn't support models with decoupled transaction policy"
