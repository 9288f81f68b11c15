"""Streams, health and reflection: what `native` leaves to a grpcio server behind it."""

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gateway.errors import NotFound
from tests.edge.conftest import KEY, STREAM, Edge

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_stream_answers_while_it_is_written_to(edge: Edge) -> None:
    call = edge.channel.stream_stream(STREAM)(metadata=(("x-api-key", "k"), ("triton_grpc_error", "true")), timeout=5)
    for message in (b"a", b"", bytes(100_000)):
        await call.write(message)
        assert await call.read() == message
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK
    (seen,) = edge.calls
    assert (seen.api_key, seen.ends_on_failure) == ("k", True)
    assert seen.deadline is not None


async def test_a_stream_ends_with_the_error_of_its_endpoint(edge: Edge) -> None:
    edge.error = NotFound("MODEL_UNKNOWN", "no such model")
    call = edge.channel.stream_stream(STREAM)(iter((b"a", b"fail")))
    assert await call.read() == b"a"
    assert await call.code() is grpc.StatusCode.NOT_FOUND
    assert await call.details() == "no such model"
    assert "grpc-status-details-bin" in dict(await call.trailing_metadata())


async def test_nothing_is_left_of_streams_that_their_callers_cancel(edge: Edge) -> None:
    calls = [edge.channel.stream_stream(STREAM)() for _ in range(100)]
    for call in calls:
        await call.write(b"a")
    assert [await call.read() for call in calls] == [b"a"] * 100
    assert edge.traffic.active == 100
    for call in calls:
        call.cancel()
    await edge.until(lambda: not edge.traffic.active)


async def test_health_is_told_to_checks_and_watches(edge: Edge) -> None:
    stub = health_pb2_grpc.HealthStub(edge.channel)
    assert (await stub.Check(health_pb2.HealthCheckRequest())).status == SERVING
    named = health_pb2.HealthCheckRequest(service="nobody")
    unknown = await edge.refusal(stub.Check(named, metadata=[("x-api-key", KEY)]))
    assert unknown.code() is grpc.StatusCode.NOT_FOUND
    for metadata in ([], [("x-api-key", f"{KEY}x")]):
        refused = await edge.refusal(stub.Check(named, metadata=metadata))
        assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    await edge.health.drain()
    assert (await asyncio.wait_for(watch.read(), 20)).status == NOT_SERVING
    watch.cancel()


async def test_reflection_lists_the_services(edge: Edge) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(edge.channel)
    requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
    answers = [answer async for answer in stub.ServerReflectionInfo(iter(requests), metadata=[("x-api-key", KEY)])]
    refused = await edge.refusal(stub.ServerReflectionInfo(iter(requests)).read())
    assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
    names = {service.name for service in answers[0].list_services_response.service}
    assert {"grpc.health.v1.Health", "inference.GRPCInferenceService"} <= names
