"""The gateway's own HTTP/2 client on a real node: right answers, refusals as over grpcio, and every loss told."""

import asyncio
import os
import signal
from collections.abc import Iterator
from time import monotonic

import numpy as np
import pytest
from gapura_triton.node import Phase
from onnx import helper
from tritonclient.grpc import service_pb2

from gateway.backends.triton.faults import Blame, NodeFault
from gateway.backends.triton.node import Node
from gateway.protowire import LARGE_BYTES
from tests.triton.nodes import RunningNode, running_node, wait_until
from tests.triton.repositories import Port, graph_of, write_model


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """Runs a node with a model that answers with its input."""
    folder = tmp_path_factory.mktemp("calls")
    inputs, outputs = [Port("x", "FP32", (-1,))], [Port("y", "FP32", (-1,))]
    graph = graph_of([helper.make_node("Identity", ["x"], ["y"])], inputs, outputs)
    write_model(folder / "models", "echo", graph, inputs, outputs)
    with running_node(folder / "models", folder / "node") as node:
        yield node


def request_of(width: int, *, model: str = "echo", claimed: int | None = None) -> tuple[bytes, bytes]:
    """Returns a serialised request for one row, and the row."""
    content = np.random.default_rng(width).random(width, np.float32).tobytes()
    request = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[content])
    request.inputs.add(name="x", datatype="FP32", shape=[1, claimed or width])
    return request.SerializeToString(), content


def tensor_of(message: bytes) -> bytes:
    """Returns the tensor of an answer."""
    return bytes(service_pb2.ModelInferResponse.FromString(message).raw_output_contents[0])


async def test_answers_of_every_size_go_to_their_callers(running: RunningNode) -> None:
    node = Node(running.address)
    gate = asyncio.Semaphore(32)

    async def ask(width: int) -> None:
        request, content = request_of(width)
        async with gate:
            assert tensor_of(await node.infer(request, 1, 20.0)) == content

    widths = [*range(1, 300), *range(300, LARGE_BYTES // 4 + 2000, 331)]
    await asyncio.gather(*map(ask, widths))
    assert node.outstanding_rows == 0
    await node.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(request_of(30, model="nope")[0], id="unknown-model"),
        pytest.param(request_of(30, claimed=29)[0], id="wrong-size"),
        pytest.param(b"\xff\xff", id="no-message"),
    ],
)
async def test_refusals_are_those_that_grpcio_reads(running: RunningNode, request_bytes: bytes) -> None:
    node = Node(running.address)
    with pytest.raises(NodeFault) as own:
        await node.infer(request_bytes, 1, 30.0)
    with pytest.raises(NodeFault) as grpcio:
        await node.call("ModelInfer", request_bytes, 30.0)
    assert (own.value.code, own.value.details, own.value.blame) == (
        grpcio.value.code,
        grpcio.value.details,
        grpcio.value.blame,
    )
    await node.close()


async def test_a_node_that_stops_is_given_up_and_answers_when_it_goes_on(running: RunningNode) -> None:
    node, (request, content) = Node(running.address), request_of(30)
    assert tensor_of(await node.infer(request, 1, 30.0)) == content
    os.kill(running.pid, signal.SIGSTOP)
    try:
        with pytest.raises(NodeFault) as late:
            await node.infer(request, 1, 0.2)
        waiting = asyncio.create_task(node.infer(request, 1, None))
        await asyncio.sleep(0.1)
        node.give_up()
        with pytest.raises(NodeFault) as given_up:
            async with asyncio.timeout(20):
                await waiting
    finally:
        os.kill(running.pid, signal.SIGCONT)
    assert (late.value.blame, given_up.value.blame) == (Blame.TIME, Blame.NODE)
    assert tensor_of(await node.infer(request, 1, 30.0)) == content
    await node.close()


async def test_a_node_that_is_killed_fails_its_calls_at_once_and_is_found_when_it_is_back(running: RunningNode) -> None:
    node, (request, content) = Node(running.address), request_of(30)
    assert tensor_of(await node.infer(request, 1, 30.0)) == content
    os.kill(running.pid, signal.SIGSTOP)  # so that calls are under way
    calls = [asyncio.create_task(node.infer(request, 1, None)) for _ in range(10)]
    await asyncio.sleep(0.1)
    restarts, killed = running.state.restarts, monotonic()
    os.kill(running.pid, signal.SIGKILL)
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert monotonic() - killed < 20
    assert {answer.blame for answer in answers if isinstance(answer, NodeFault)} == {Blame.NODE}
    back = lambda: running.state.restarts > restarts and running.state.phase == Phase.LIVE  # noqa: E731 - said once
    await asyncio.to_thread(wait_until, back, 40)
    async with asyncio.timeout(20):
        assert tensor_of(await node.infer(request, 1, None)) == content
    await node.close()
