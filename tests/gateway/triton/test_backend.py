"""Calls get their answer from some node as long as one can give it, and a clear reason when none can."""

import asyncio
from dataclasses import replace
from time import monotonic

import grpc
import pytest
from tritonclient.grpc import service_pb2

from gateway.errors import CatalogError, DeadlineExceeded, InvalidRequest, ModelFailed, NotFound, Unavailable
from gateway.types import Placement
from tests.e2e.serving import free_port
from tests.gateway.models import version
from tests.gateway.triton.scripted_node import ScriptedNode, backend_over, listening, row, serving, until

STUB_DIED = (grpc.StatusCode.INTERNAL, "Stub process 'team9_test_0_0' is not healthy.")


def now() -> float:
    """Returns the time of the event loop's clock."""
    return asyncio.get_running_loop().time()


async def test_both_nodes_share_the_load() -> None:
    one, two = ScriptedNode(), ScriptedNode()
    async with serving(one, two) as (backend, served):
        for value in range(40):
            assert await backend.infer(served, row(value), None) == row(value)
    assert min(one.count("ModelInfer"), two.count("ModelInfer")) > 5


async def test_a_node_that_dies_costs_no_call() -> None:
    async with listening(ScriptedNode()) as one, backend_over(one.address, f"127.0.0.1:{free_port()}") as backend:
        served = version()
        await backend.load(served)
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(backend.infer(served, row(value), None) for value in range(50)))
    assert answers == [row(value) for value in range(50)]


@pytest.mark.parametrize(
    "refusal",
    [
        (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
        (grpc.StatusCode.UNAVAILABLE, "Request for unknown model: 'm' version 1 is not at ready state"),
        (grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'm' has no available versions"),
        STUB_DIED,
    ],
)
async def test_a_batch_that_one_node_cannot_answer_goes_to_the_other(refusal: tuple[grpc.StatusCode, str]) -> None:
    good, bad = ScriptedNode(), ScriptedNode()
    async with serving(good, bad) as (backend, served):
        bad.refuses = refusal
        for value in range(20):
            assert await backend.infer(served, row(value), now() + 5) == row(value)


async def test_a_model_whose_process_died_is_unloaded_and_loaded_and_serves_again() -> None:
    node = ScriptedNode()
    async with serving(node) as (backend, served):
        node.refuses = STUB_DIED
        with pytest.raises(Unavailable, match="1 were tried"):
            await backend.infer(served, row(), None)
        assert not backend.ready(served)
        await until(lambda: backend.ready(served))
        assert await backend.infer(served, row(), None) == row()
    heal = [name for name in node.called if name.startswith("Repository")]
    assert heal == ["RepositoryModelUnload", "RepositoryModelLoad"]


async def test_a_batch_that_kills_its_process_is_not_given_to_every_node() -> None:
    nodes = [ScriptedNode(), ScriptedNode(), ScriptedNode()]
    async with serving(*nodes) as (backend, served):
        for node in nodes:
            node.refuses = STUB_DIED
        with pytest.raises(Unavailable, match="2 were tried, and none could answer"):
            await backend.infer(served, row(), None)
    assert sum(node.count("ModelInfer") for node in nodes) == 2


async def test_an_error_of_the_model_is_told_in_its_words_and_not_tried_elsewhere() -> None:
    one, two = ScriptedNode(), ScriptedNode()
    async with serving(one, two) as (backend, served):
        one.refuses = two.refuses = (grpc.StatusCode.INTERNAL, "index out of range")
        with pytest.raises(ModelFailed, match=r"^model 'team9_test' version 1 failed: index out of range$"):
            await backend.infer(served, row(), None)
    assert one.count("ModelInfer") + two.count("ModelInfer") == 1


async def test_without_any_node_a_call_fails_at_once_and_says_why() -> None:
    async with backend_over(f"127.0.0.1:{free_port()}") as backend:
        served = version()
        await backend.load(served)  # taken in all the same: a node may come
        with pytest.raises(Unavailable, match="none of its 1 nodes is ready; try again") as caught:
            await backend.infer(served, row(), now() + 30)
    assert caught.value.reason == "NODES_UNAVAILABLE"


async def test_service_resumes_by_itself_when_a_node_comes_back() -> None:
    port, served = free_port(), version()
    async with backend_over(f"127.0.0.1:{port}") as backend:
        await backend.load(served)
        assert not backend.ready(served)
        async with listening(ScriptedNode(), port):
            await until(lambda: backend.ready(served), 2.0)
            assert await backend.infer(served, row(), None) == row()


async def test_a_node_that_falls_silent_fails_a_call_before_its_deadline() -> None:
    node = ScriptedNode()
    async with serving(node) as (backend, served):
        node.delay_seconds = 60
        deadline = now() + 0.5
        with pytest.raises(DeadlineExceeded):  # it answers probes meanwhile: the model is slow, the node is there
            await backend.infer(served, row(), deadline)
        assert now() < deadline


async def test_a_batch_that_takes_half_of_its_time_is_sent_to_another_node_as_well() -> None:
    one, two = ScriptedNode(), ScriptedNode()
    async with serving(one, two) as (backend, served):
        one.delay_seconds = 60
        started = monotonic()
        for value in range(6):  # some of them begin at the slow one
            assert await backend.infer(served, row(value), now() + 0.6) == row(value)
        assert monotonic() - started < 3


async def test_a_node_that_is_slower_than_the_others_is_ejected_and_tried_with_copies() -> None:
    fast, slow = ScriptedNode(), ScriptedNode()
    async with serving(fast, slow) as (backend, served):
        slow.delay_seconds = 0.1
        await asyncio.gather(*(backend.infer(served, row(value), None) for value in range(60)))
        ejected = next(each for each in backend.replicas(served) if each.node.address == slow.address)
        assert not ejected.healthy
        for _ in range(30):  # nobody waits for it any more, not even while it is tried
            started = monotonic()
            await backend.infer(served, row(), None)
            assert monotonic() - started < 0.09
            await asyncio.sleep(0.05)
        assert not ejected.healthy
        slow.delay_seconds = 0
        while not ejected.healthy:
            await backend.infer(served, row(), None)
            await asyncio.sleep(0.02)
        assert ejected.share() < 0.2  # it starts slowly


async def test_cancelling_a_call_cancels_it_at_the_node() -> None:
    node = ScriptedNode(delay_seconds=60)
    async with serving(node) as (backend, served):
        task = asyncio.create_task(backend.infer(served, row(), None))
        await until(lambda: node.count("ModelInfer") == 1)
        task.cancel()
        await until(lambda: node.cancelled == 1)
        assert backend.replicas(served)[0].node.outstanding_rows == 0


async def test_a_node_without_the_model_is_told_to_load_it() -> None:
    async with listening(ScriptedNode(ready=False)) as node, backend_over(node.address) as backend:
        await backend.load(version())
        assert backend.ready(version()) is False  # another object, another version
    assert node.count("RepositoryModelLoad") == 1


async def test_a_node_that_still_serves_the_old_version_is_left_to_its_publisher() -> None:
    new, old = ScriptedNode(), ScriptedNode(lacks={"2"})
    async with serving(new, old) as (backend, served):
        following = version(number=2)
        await backend.load(following)
        await asyncio.sleep(1)
        assert await backend.infer(following, row(), None) == row()
        assert await backend.infer(served, row(), None) == row()
    assert old.count("RepositoryModelLoad") == 0


async def test_a_model_that_no_node_can_load_is_refused_in_the_nodes_words() -> None:
    broken = "load failed for model 'team9_test': version 1 is at UNAVAILABLE state"
    async with listening(ScriptedNode(ready=False, loads=broken)) as node, backend_over(node.address) as backend:
        with pytest.raises(CatalogError, match="load failed for model 'team9_test'"):
            await backend.load(version())
        await asyncio.sleep(0.5)
    assert node.count("RepositoryModelLoad") == 1  # it is not asked again and again


async def test_a_version_with_other_inputs_than_the_catalog_says_takes_no_calls() -> None:
    served = replace(version(), max_batch_size=4)
    async with listening(ScriptedNode()) as node, backend_over(node.address) as backend:
        with pytest.raises(CatalogError, match="another max_batch_size"):
            await backend.load(served)


async def test_a_model_is_served_by_the_nodes_of_its_placement() -> None:
    plain, gpu = ScriptedNode(), ScriptedNode()
    async with listening(plain), listening(gpu), backend_over(plain.address, gpu=(gpu.address,)) as backend:
        served = replace(version(), placement=Placement.GPU)
        await backend.load(served)
        await backend.infer(served, row(), None)
    assert (plain.count("ModelInfer"), gpu.count("ModelInfer")) == (0, 1)


async def test_a_model_on_gpu_without_such_nodes_says_so() -> None:
    async with listening(ScriptedNode()) as plain, backend_over(plain.address) as backend:
        served = replace(version(), placement=Placement.GPU)
        await backend.load(served)
        with pytest.raises(Unavailable, match="there are no nodes of its kind"):
            await backend.infer(served, row(), None)


async def test_what_an_operator_unloads_stays_unloaded_until_it_is_loaded() -> None:
    unload = service_pb2.RepositoryModelUnloadRequest(model_name="team9_test").SerializeToString()
    load = service_pb2.RepositoryModelLoadRequest(model_name="team9_test").SerializeToString()
    node = ScriptedNode()
    async with serving(node) as (backend, served):
        await backend.operate("RepositoryModelUnload", unload)
        with pytest.raises(NotFound, match="'team9_test' has no available versions"):
            await backend.infer(served, row(), None)
        await asyncio.sleep(0.5)
        assert not node.ready
        await backend.operate("RepositoryModelLoad", load)
        await until(lambda: backend.ready(served))
        assert await backend.infer(served, row(), None) == row()


async def test_an_operator_is_refused_in_the_nodes_words() -> None:
    load = service_pb2.RepositoryModelLoadRequest(model_name="nope").SerializeToString()
    async with listening(ScriptedNode(loads="failed to load 'nope'")) as node, backend_over(node.address) as backend:
        with pytest.raises(InvalidRequest, match="^failed to load 'nope'$"):
            await backend.operate("RepositoryModelLoad", load)
