"""Calls get their answer from some node as long as one can give it, and a clear reason when none can."""

import asyncio
import signal
import sys
from dataclasses import replace
from time import monotonic

import grpc
import pytest
from tritonclient.grpc import service_pb2

from gateway.backends.triton.backend import TritonBackend
from gateway.backends.triton.discovery import Discovery
from gateway.backends.triton.faults import Blame, NodeFault
from gateway.backends.triton.node import Node
from gateway.backends.triton.replica import Replica
from gateway.errors import CatalogError, InvalidRequest, ModelFailed, NotFound, Unavailable
from gateway.types import ModelVersion, Placement
from tests.e2e.serving import free_port
from tests.gateway.models import version
from tests.gateway.triton.scripted_node import ScriptedNode, backend_over, listening, row, serving, until

STUB_DIED = (grpc.StatusCode.INTERNAL, "Stub process 'team9_test_0_0' is not healthy.")


def now() -> float:
    """Returns the time of the event loop's clock."""
    return asyncio.get_running_loop().time()


def on(node: ScriptedNode, backend: TritonBackend, served: ModelVersion) -> Replica:
    """Returns the replica on a node."""
    return next(replica for replica in backend.replicas(served) if replica.node.address == node.address)


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
        async with asyncio.timeout(30):
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


async def test_a_refused_request_is_told_in_the_nodes_words_and_not_tried_elsewhere() -> None:
    one, two = ScriptedNode(), ScriptedNode()
    async with serving(one, two) as (backend, served):
        one.refuses = two.refuses = (grpc.StatusCode.INVALID_ARGUMENT, "index out of range")
        with pytest.raises(ModelFailed, match=r"^model 'team9_test' version 1 failed: index out of range$"):
            await backend.infer(served, row(), None)
    assert one.count("ModelInfer") + two.count("ModelInfer") == 1


async def test_a_model_that_fails_everywhere_is_asked_twice_and_costs_no_node_its_place() -> None:
    nodes = [ScriptedNode(), ScriptedNode(), ScriptedNode()]
    async with serving(*nodes) as (backend, served):
        for node in nodes:
            node.refuses = (grpc.StatusCode.INTERNAL, "index out of range")
        for _ in range(5):
            with pytest.raises(ModelFailed, match=r"^model 'team9_test' version 1 failed: index out of range$"):
                await backend.infer(served, row(), None)
        assert all(replica.healthy for replica in backend.replicas(served))
    assert sum(node.count("ModelInfer") for node in nodes) == 10


async def test_a_node_that_fails_what_another_answers_is_ejected_and_costs_no_call() -> None:
    good, bad = ScriptedNode(), ScriptedNode(refuses=(grpc.StatusCode.INTERNAL, "CUDA out of memory"))
    async with serving(good, bad) as (backend, served):
        for value in range(30):
            assert await backend.infer(served, row(value), None) == row(value)
        assert [on(node, backend, served).healthy for node in (good, bad)] == [True, False]
    assert bad.count("ModelInfer") == 3


async def test_a_model_that_hangs_on_a_node_that_is_well_is_ejected() -> None:
    good, bad = ScriptedNode(), ScriptedNode()
    async with serving(good, bad) as (backend, served):
        for _ in range(40):
            await backend.infer(served, row(), None)
        bad.delay_seconds = 60
        async with asyncio.timeout(20):
            while on(bad, backend, served).healthy:
                answers = await asyncio.gather(*(backend.infer(served, row(), None) for _ in range(8)))
                assert answers == [row()] * 8
        assert backend.ready(served)


async def test_every_batch_of_a_burst_that_hangs_is_answered_elsewhere() -> None:
    good, bad = ScriptedNode(), ScriptedNode()
    async with serving(good, bad) as (backend, served):
        for _ in range(40):
            await backend.infer(served, row(), None)
        bad.delay_seconds = 60
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*(backend.infer(served, row(), None) for _ in range(40)))
    assert answers == [row()] * 40


async def test_two_tries_that_fail_in_the_same_moment_end_the_call() -> None:
    one, two = ScriptedNode(), ScriptedNode()
    async with serving(one, two) as (backend, served):
        one.delay_seconds = two.delay_seconds = 60
        call = asyncio.create_task(backend.infer(served, row(), now() + 6))
        await until(lambda: one.count("ModelInfer") + two.count("ModelInfer") == 2)
        for replica in backend.replicas(served):
            replica.node.give_up()
        with pytest.raises(Unavailable, match="2 were tried"):
            async with asyncio.timeout(20):
                await call


@pytest.mark.parametrize("size", [1000, 4 * 1024 * 1024])
async def test_a_stopped_process_holds_no_request_beyond_its_deadline_or_when_it_is_given_up(size: int) -> None:
    command = [sys.executable, "-m", "tests.gateway.triton.scripted_node"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    node = Node((await process.stdout.readline()).decode().strip())
    try:
        assert await node.is_ready("m", 1, 5)
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(NodeFault) as late:
            await node.infer(bytes(size), 1, 0.3)
        asking = asyncio.create_task(node.infer(bytes(size), 1, None))
        await asyncio.sleep(0.3)
        node.give_up()
        with pytest.raises(NodeFault) as given_up:
            async with asyncio.timeout(20):
                await asking
    finally:
        process.kill()
        await process.wait()
        await node.close()
    assert (late.value.blame, given_up.value.blame) == (Blame.TIME, Blame.NODE)
    assert node.outstanding_rows == 0


async def test_nodes_come_and_go_with_their_name() -> None:
    one, two = ScriptedNode(), ScriptedNode()
    found: set[str] = set()

    async def resolve(host: str, port: int) -> set[str]:  # noqa: ARG001 - there is one name
        return set(found)

    async with listening(one), listening(two):
        found.add(one.address)
        backend = TritonBackend({Placement.CPU: Discovery(["triton.svc"], resolve)}, look_up_seconds=0.05)
        served = version()
        await backend.load(served)
        assert await backend.infer(served, row(), None) == row()
        found.add(two.address)
        await until(lambda: sum(replica.ready for replica in backend.replicas(served)) == 2)
        two.delay_seconds = 0.3
        calls = [asyncio.create_task(backend.infer(served, row(value), None)) for value in range(6)]
        await until(lambda: two.count("ModelInfer") > 0)
        found.remove(two.address)
        await until(lambda: [replica.node.address for replica in backend.replicas(served)] == [one.address])
        assert await asyncio.gather(*calls) == [row(value) for value in range(6)]
        await backend.close()


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
            await until(lambda: backend.ready(served))
            assert await backend.infer(served, row(), None) == row()


async def test_a_batch_that_takes_half_of_its_time_is_sent_to_another_node_as_well() -> None:
    one, two = ScriptedNode(), ScriptedNode()
    async with serving(one, two) as (backend, served):
        one.delay_seconds = 60
        for value in range(6):  # some of them begin at the slow one, and would never be answered there
            assert await backend.infer(served, row(value), now() + 2.0) == row(value)


async def test_a_node_that_is_slower_than_the_others_is_ejected_and_tried_with_copies() -> None:
    fast, slow = ScriptedNode(), ScriptedNode()
    async with serving(fast, slow) as (backend, served):
        slow.delay_seconds = 3.0
        await asyncio.gather(*(backend.infer(served, row(value), None) for value in range(60)))
        ejected = on(slow, backend, served)
        assert not ejected.healthy
        for _ in range(30):  # nobody waits for it any more, not even while it is tried
            started = monotonic()
            await backend.infer(served, row(), None)
            assert monotonic() - started < 2.5
            await asyncio.sleep(0.05)
        assert not ejected.healthy
        slow.delay_seconds = 0
        while not ejected.healthy:
            await backend.infer(served, row(), None)
            await asyncio.sleep(0.02)
        assert ejected.share() < 0.5  # it starts slowly


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
        assert await backend.infer(served, row(), None) == row()


async def test_a_catalog_that_is_read_again_brings_nothing_back_that_an_operator_unloaded() -> None:
    unload = service_pb2.RepositoryModelUnloadRequest(model_name="team9_test").SerializeToString()
    node = ScriptedNode()
    async with serving(node) as (backend, served):
        await backend.operate("RepositoryModelUnload", unload)
        await backend.load(served)
        await asyncio.sleep(0.5)
        assert not backend.ready(served)
        node.ready = True  # somebody publishes
        following = version(number=2)
        await backend.load(following)
        assert backend.ready(following)
    assert node.count("RepositoryModelLoad") == 0


async def test_an_operator_loads_a_model_on_the_nodes_of_its_kind_alone() -> None:
    load = service_pb2.RepositoryModelLoadRequest(model_name="team9_test").SerializeToString()
    plain, gpu = ScriptedNode(loads="KIND_GPU needs a GPU"), ScriptedNode()
    async with listening(plain), listening(gpu), backend_over(plain.address, gpu=(gpu.address,)) as backend:
        await backend.load(replace(version(), placement=Placement.GPU))
        await backend.operate("RepositoryModelLoad", load)
    assert (plain.count("RepositoryModelLoad"), gpu.count("RepositoryModelLoad")) == (0, 1)


async def test_an_operator_is_refused_in_the_nodes_words() -> None:
    load = service_pb2.RepositoryModelLoadRequest(model_name="nope").SerializeToString()
    async with listening(ScriptedNode(loads="failed to load 'nope'")) as node, backend_over(node.address) as backend:
        with pytest.raises(InvalidRequest, match="^failed to load 'nope'$"):
            await backend.operate("RepositoryModelLoad", load)
