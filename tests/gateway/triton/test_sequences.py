"""A sequence stays on the node that has its state, whose loss is told at once."""

import asyncio

import grpc
import pytest
from tritonclient.grpc import service_pb2

from gateway.backends.triton.backend import TritonBackend
from gateway.backends.triton.sequences import rendezvous
from gateway.errors import GatewayError, InvalidRequest, ModelFailed, Unavailable
from gateway.types import ModelVersion, Tensors, Terms
from tests.gateway.triton.scripted_node import ScriptedNode, backend_over, row, serving, until

STATE = "sequence_batching {}"


def part(sequence: int | str, *, start: bool = False, end: bool = False) -> Tensors:
    """Returns a call of a sequence."""
    own = service_pb2.ModelInferRequest()
    if isinstance(sequence, str):
        own.parameters["sequence_id"].string_param = sequence
    else:
        own.parameters["sequence_id"].int64_param = sequence
    own.parameters["sequence_start"].bool_param = start
    own.parameters["sequence_end"].bool_param = end
    return row()._replace(terms=Terms((), own.SerializeToString()))


def nodes(count: int = 3) -> list[ScriptedNode]:
    """Returns nodes whose model keeps state."""
    return [ScriptedNode(traits=STATE) for _ in range(count)]


def busy(several: list[ScriptedNode]) -> list[ScriptedNode]:
    """Returns the nodes that were asked to infer."""
    return [node for node in several if node.count("ModelInfer")]


async def begin(backend: TritonBackend, served: ModelVersion, several: list[ScriptedNode]) -> ScriptedNode:
    """Begins sequence 7; returns its node."""
    await backend.infer(served, part(7, start=True), None)
    (home,) = busy(several)
    return home


async def test_sequences_are_spread_over_the_nodes_and_each_stays_on_its_own() -> None:
    several = nodes()
    async with serving(*several) as (backend, served):
        for sequence in range(30):
            before = [node.count("ModelInfer") for node in several]
            for step in range(4):
                await backend.infer(served, part(sequence or "zero", start=step == 0, end=step == 3), None)
            asked = [node.count("ModelInfer") - count for node, count in zip(several, before, strict=True)]
            assert sorted(asked) == [0, 0, 4]
    assert len(busy(several)) == 3


async def test_two_gateways_look_for_a_sequence_on_the_same_node() -> None:
    several = nodes()
    async with serving(*several) as (backend, served):
        home = await begin(backend, served, several)
        async with backend_over(*(node.address for node in several)) as other:
            await other.load(served)
            await until(lambda: all(replica.ready for replica in other.replicas(served)))
            for _ in range(5):
                await other.infer(served, part(7), None)
    assert busy(several) == [home]


async def test_a_sequence_stays_while_other_nodes_come_and_go() -> None:
    several = nodes()
    async with serving(*several) as (backend, served):
        home = await begin(backend, served, several)
        for node in several:
            if node is not home:
                node.ready, node.loads = False, "it is broken"
        await until(lambda: sum(replica.ready for replica in backend.replicas(served)) == 1)
        await backend.infer(served, part(8, start=True), None)  # falls to the only node that is left
        for node in several:
            node.ready = True
        await until(lambda: all(replica.ready for replica in backend.replicas(served)))
        for sequence in (7, 8):
            await backend.infer(served, part(sequence), None)
    assert busy(several) == [home]


@pytest.mark.parametrize(
    "refusal",
    [
        (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
        (grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'm' has no available versions"),
        (grpc.StatusCode.INTERNAL, "Stub process 'team9_test_0_0' is not healthy."),
    ],
)
async def test_a_lost_node_ends_its_sequences_and_they_are_tried_nowhere_else(
    refusal: tuple[grpc.StatusCode, str],
) -> None:
    several = nodes()
    async with serving(*several) as (backend, served):
        home = await begin(backend, served, several)
        home.refuses = refusal
        with pytest.raises(Unavailable, match="begin the sequence anew, with sequence_start"):
            await backend.infer(served, part(7), None)
        assert busy(several) == [home]
        home.refuses = None
        await backend.infer(served, part(7, start=True), None)
        await backend.infer(served, part(7), None)


async def test_a_node_that_has_come_back_has_lost_its_state() -> None:
    several = nodes(1)
    async with serving(*several) as (backend, served):
        await begin(backend, served, several)
        (replica,) = backend.replicas(served)
        several[0].ready, several[0].loads = False, "it is broken"
        await until(lambda: not replica.ready)
        with pytest.raises(Unavailable):
            await backend.infer(served, part(9, start=True), None)
        several[0].ready = True
        await until(lambda: replica.ready)
        with pytest.raises(Unavailable, match="begin the sequence anew"):
            await backend.infer(served, part(7), None)
        await backend.infer(served, part(7, start=True), None)


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        ((grpc.StatusCode.INVALID_ARGUMENT, "must specify the START flag"), InvalidRequest),
        ((grpc.StatusCode.INTERNAL, "KeyError"), ModelFailed),
    ],
)
async def test_a_call_that_fails_is_told_and_its_sequence_goes_on(
    refusal: tuple[grpc.StatusCode, str], error: type[GatewayError]
) -> None:
    several = nodes()
    async with serving(*several) as (backend, served):
        home = await begin(backend, served, several)
        home.refuses = refusal
        with pytest.raises(error, match=refusal[1]):
            await backend.infer(served, part(7), None)
        home.refuses = None
        await backend.infer(served, part(7), None)
    assert busy(several) == [home]


async def test_a_slow_call_of_a_sequence_is_not_sent_twice() -> None:
    several = nodes()
    async with serving(*several) as (backend, served):
        home = await begin(backend, served, several)
        home.delay_seconds = 0.6
        await backend.infer(served, part(7), asyncio.get_running_loop().time() + 1)
    assert (busy(several), home.count("ModelInfer")) == ([home], 2)


async def test_a_name_keeps_its_node_when_another_goes() -> None:
    several = nodes()
    async with serving(*several) as (backend, served):
        replicas = backend.replicas(served)
        homes = {name: rendezvous(replicas, name) for name in map(str, range(300))}
        for name, home in homes.items():
            if home is not replicas[0]:
                assert rendezvous(replicas[1:], name) is home
        counts = [list(homes.values()).count(replica) for replica in replicas]
        assert min(counts) > 60
