"""Streams of responses come from one node, to the end or to a clear reason why not."""

from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2

from gateway.errors import InvalidRequest, ModelFailed, Unavailable
from gateway.types import ModelVersion
from tests.gateway.triton.scripted_node import ScriptedNode, row, serving

DECOUPLED = "model_transaction_policy { decoupled: true }"


def response(*, last: bool = False, error: str = "", rows: int = 1, datatype: str = "FP32") -> Any:
    """Returns one response; the last one, and an error, hold nothing."""
    made = service_pb2.ModelStreamInferResponse(error_message=error)
    made.infer_response.parameters["triton_final_response"].bool_param = last
    if not last and not error:
        made.infer_response.outputs.add(name="y", datatype=datatype, shape=[rows, 2])
        made.infer_response.raw_output_contents.append(bytes(8 * rows))
    return made


def node(*responses: Any) -> ScriptedNode:
    """Returns a node whose model is decoupled and sends these."""
    return ScriptedNode(traits=DECOUPLED, responses=responses)


async def rows_of(backend: Any, served: ModelVersion) -> list[int]:
    """Returns how many rows each response has."""
    return [each.outputs.rows async for each in backend.stream(served, row(), None)]


async def test_every_response_comes_with_its_own_rows() -> None:
    async with serving(node(response(), response(rows=3), response(last=True))) as (backend, served):
        assert backend.streams(served)
        assert await rows_of(backend, served) == [1, 3, 0]


async def test_a_model_that_is_not_decoupled_is_not_streamed() -> None:
    async with serving(ScriptedNode()) as (backend, served):
        assert not backend.streams(served)


async def test_an_error_among_responses_is_one_of_them() -> None:
    async with serving(node(response(), response(error="odd"), response(), response(last=True))) as (backend, served):
        failures = [each.failure async for each in backend.stream(served, row(), None)]
    assert [failure and failure.message for failure in failures] == [
        None,
        "model 'team9_test' version 1 failed: odd",
        None,
        None,
    ]


async def test_while_nothing_has_come_another_node_is_tried() -> None:
    good, bad = node(response(), response(last=True)), node()
    bad.refuses = grpc.StatusCode.UNAVAILABLE, "Socket closed"
    async with serving(good, bad) as (backend, served):
        for _ in range(10):
            assert await rows_of(backend, served) == [1, 0]


@pytest.mark.parametrize("refusal", [None, (grpc.StatusCode.UNAVAILABLE, "Socket closed")])
async def test_a_stream_that_breaks_off_is_not_begun_again(refusal: tuple[grpc.StatusCode, str] | None) -> None:
    nodes = node(response()), node(response())
    for each in nodes:
        each.refuses = refusal
    async with serving(*nodes) as (backend, served):
        stream = backend.stream(served, row(), None)
        assert (await anext(stream)).outputs.rows == 1
        with pytest.raises(Unavailable, match="the node that sent its responses is lost"):
            await anext(stream)
    assert sum(each.count("ModelStreamInfer") for each in nodes) == 1


async def test_a_request_that_a_node_refuses_is_refused_in_its_words() -> None:
    refused = service_pb2.ModelStreamInferResponse(error_message="[request id: 1] unexpected shape")
    async with serving(node(refused)) as (backend, served):
        with pytest.raises(InvalidRequest, match="unexpected shape"):
            await rows_of(backend, served)


async def test_a_response_of_another_datatype_is_a_fault_of_the_model() -> None:
    async with serving(node(response(datatype="INT64"))) as (backend, served):
        with pytest.raises(ModelFailed, match="something else than its signature says"):
            await rows_of(backend, served)


async def test_places_are_the_instances_on_the_nodes_that_are_ready() -> None:
    traits = "instance_group { kind: KIND_CPU count: 2 } instance_group { kind: KIND_GPU count: 1 gpus: [0, 1] }"
    async with serving(ScriptedNode(traits=traits), ScriptedNode(traits=traits)) as (backend, served):
        assert backend.places(served) == 8
    async with serving(ScriptedNode()) as (backend, served):
        assert backend.places(served) == 1
