"""Many at once: calls, connections, cancellations, and answers that never get mixed up."""

import asyncio
from typing import Any

import grpc
import pytest

from gateway.errors import NotFound
from tests.edge.conftest import BROKEN, ECHO, HELD, STREAM, Edge

OWN = (("grpc.use_local_subchannel_pool", 1),)  # a connection for each channel


async def test_10000_calls_at_once_each_get_their_own_answer(edge: Edge) -> None:
    channels: list[Any] = [grpc.aio.insecure_channel(edge.address, options=OWN) for _ in range(10)]
    calls: list[Any] = []
    # One connection after the other: calls of 10,000 begun together wait for the loop that also begins them.
    for most, channel in zip(range(1000, 10_001, 1000), channels, strict=True):
        ask = channel.unary_unary(HELD)
        calls += [ask(b"%d" % number, timeout=60) for number in range(most - 1000, most)]
        await edge.until(lambda most=most: edge.begun == most)  # type: ignore[misc] # bound at once
    edge.open.set()
    assert await asyncio.gather(*calls) == [b"%d" % number for number in range(10_000)]
    await asyncio.gather(*(channel.close() for channel in channels))


async def test_500_streams_at_once_each_get_their_own_answers(edge: Edge) -> None:
    calls = [edge.channel.stream_stream(STREAM)(iter((b"%d" % number,))) for number in range(500)]
    assert [await call.read() for call in calls] == [b"%d" % number for number in range(500)]
    assert {await call.code() for call in calls} == {grpc.StatusCode.OK}


async def test_2000_connections_are_served(edge: Edge) -> None:
    channels: list[Any] = [grpc.aio.insecure_channel(edge.address, options=OWN) for _ in range(2000)]
    answers = await asyncio.gather(*(channel.unary_unary(ECHO)(b"x", timeout=60) for channel in channels))
    assert answers == [b"x"] * 2000
    await asyncio.gather(*(channel.close() for channel in channels))


@pytest.mark.parametrize("begun", [True, False])
async def test_nothing_is_left_of_2500_calls_that_their_callers_cancel(edge: Edge, begun: bool) -> None:  # noqa: FBT001 - a parameter of the test
    for _ in range(5):
        before = edge.begun
        calls = [edge.unary(HELD, bytes(100)) for _ in range(500)]
        if begun:
            await edge.until(lambda before=before: edge.begun == before + 500)  # type: ignore[misc] # bound at once
        else:
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await edge.until(lambda: edge.cancelled == edge.begun and not edge.traffic.active)
    assert await edge.unary(ECHO, b"x") == b"x"
    await edge.until(lambda: not edge.traffic.active)
    assert len(asyncio.all_tasks()) < 20


async def test_calls_that_end_in_every_way_at_once_leave_nothing(edge: Edge) -> None:
    edge.error = NotFound("MODEL_UNKNOWN", "no such model")
    calls: list[Any] = []
    for number in range(300):
        calls += [
            edge.unary(ECHO, b"%d" % number),
            edge.unary(BROKEN),
            edge.unary(HELD, timeout=0.000_001),
            edge.unary("/test.Edge/Nothing"),
        ]
    answers: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
    assert answers[::4] == [b"%d" % number for number in range(300)]
    assert {each.code() for each in answers[1::4]} == {grpc.StatusCode.NOT_FOUND}
    assert {each.code() for each in answers[2::4]} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert {each.code() for each in answers[3::4]} == {grpc.StatusCode.UNIMPLEMENTED}
    await edge.until(lambda: not edge.traffic.active)
