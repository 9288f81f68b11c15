"""What publishing does to real Triton nodes, while callers call them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput

from hub.errors import NodeDownError, NodeRefusedError
from hub.nodes.triton import TritonNode
from hub.publishing.outcome import Result
from tests.hub.callers import LATE_SECONDS, Caller
from tests.hub.workplace import Workplace, draw_table
from tests.triton.nodes import running_node

NAME, OTHER = "team1_model", "team2_other"
HANDOVER_SECONDS = 1.0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[TritonNode]]]:
    """Two nodes over a folder that does not exist yet: stopping nodes takes longer than the tests."""
    root = tmp_path_factory.mktemp("nodes")
    repository, nowhere = root / "model_repository", root / "nowhere"
    nowhere.mkdir()
    repository.symlink_to(nowhere)
    with ExitStack() as stack:
        running = [stack.enter_context(running_node(repository, root / name)) for name in ("one", "two")]
        nodes = [TritonNode(node.address) for node in running]
        for node in nodes:
            stack.callback(node.close)
        yield repository, nodes


@pytest.fixture
def nodes(workplace: Workplace, pair: tuple[Path, list[TritonNode]]) -> Iterator[tuple[TritonNode, TritonNode]]:
    """Two nodes over the workplace's repository, with nothing loaded."""
    repository, (one, two) = pair
    workplace.repository.mkdir()
    repository.unlink()
    repository.symlink_to(workplace.repository)
    yield one, two
    for node in (one, two):
        for name in node.ready():
            node.unload(name)


class FailingDisk(TritonNode):
    """A node whose disk loses what was written just before it reads it."""

    def __init__(self, address: str, lost: Path) -> None:
        super().__init__(address)
        self._lost = lost

    def load(self, model: str) -> None:
        if self._lost.exists():
            self._lost.write_bytes(b"lost")
        super().load(model)


def served(*nodes: TritonNode) -> list[dict[str, list[int]]]:
    return [{name: sorted(versions) for name, versions in node.ready().items()} for node in nodes]


def test_a_new_version_goes_live_under_load_without_an_error(
    workplace: Workplace, nodes: tuple[TritonNode, TritonNode]
) -> None:
    workplace.register(NAME)
    assert workplace.publish(*nodes)[NAME].result is Result.LIVE
    assert served(*nodes) == [{NAME: [1]}, {NAME: [1]}]
    assert workplace.publish(*nodes)[NAME].result is Result.UNCHANGED
    callers = [Caller(workplace, NAME, (node,)) for node in nodes]
    with callers[0].calling(), callers[1].calling():
        for number in (2, 3):
            workplace.register(NAME)
            assert workplace.publish(*nodes, seconds=HANDOVER_SECONDS)[NAME].version == number
            time.sleep(2 * LATE_SECONDS)
    assert [caller.failed for caller in callers] == [[], []]
    assert all(caller.answered.keys() == {1, 2, 3} for caller in callers)
    assert served(*nodes) == [{NAME: [2, 3]}, {NAME: [2, 3]}]
    workplace.require_settled()


def test_a_version_with_other_tensors_goes_live_node_by_node_without_an_error(
    workplace: Workplace, nodes: tuple[TritonNode, TritonNode]
) -> None:
    workplace.register(NAME)
    workplace.publish(*nodes)
    table = draw_table().assign(debt=1.0)
    workplace.register(NAME, LogisticRegression().fit(table, table["income"] > 0), table)
    caller = Caller(workplace, NAME, nodes)
    with caller.calling():
        assert workplace.publish(*nodes, seconds=HANDOVER_SECONDS)[NAME].result is Result.LIVE
        time.sleep(2 * LATE_SECONDS)
    assert caller.failed == []
    assert caller.answered.keys() == {1, 2}
    assert served(*nodes) == [{NAME: [2]}, {NAME: [2]}]


def test_a_version_that_a_node_cannot_load_is_refused_and_nothing_else_suffers(
    workplace: Workplace, nodes: tuple[TritonNode, TritonNode]
) -> None:
    workplace.register(NAME)
    workplace.register(OTHER)
    workplace.publish(*nodes)
    before = workplace.catalog()
    workplace.register(NAME)
    failing = FailingDisk(nodes[1].address, workplace.repository / NAME / "2/model.onnx")
    callers = [Caller(workplace, name, (node,)) for name in (NAME, OTHER) for node in nodes]
    with ExitStack() as stack:
        stack.callback(failing.close)
        for caller in callers:
            stack.enter_context(caller.calling())
        outcome = workplace.publish(nodes[0], failing)[NAME]
    assert outcome.result is Result.REFUSED
    assert f" says: load failed for model '{NAME}'" in outcome.detail
    assert [caller.failed for caller in callers] == [[]] * 4
    assert all(caller.answered for caller in callers)
    assert served(*nodes) == [{NAME: [1], OTHER: [1]}] * 2
    assert workplace.catalog() == before
    workplace.require_settled()
    assert workplace.publish(*nodes)[NAME].version == 2


def test_tritons_own_clients_see_the_names_of_classes(
    workplace: Workplace, nodes: tuple[TritonNode, TritonNode]
) -> None:
    table = draw_table()
    workplace.register(NAME, LogisticRegression().fit(table, table["income"].gt(0).map({True: 7, False: 3})), table)
    workplace.publish(*nodes)
    rows = InferInput("input", [1, 2], "FP64")
    rows.set_data_from_numpy(np.array([[9.0, 0.0]]))
    with InferenceServerClient(nodes[0].address) as client:
        answer = client.infer(NAME, [rows], outputs=[InferRequestedOutput("probabilities", class_count=1)])
    ((best,),) = answer.as_numpy("probabilities")
    assert best.decode().endswith(":1:7")


def test_a_node_that_is_down_is_left_out_and_a_withdrawn_model_is_unloaded(
    workplace: Workplace, nodes: tuple[TritonNode, TritonNode]
) -> None:
    down = TritonNode("127.0.0.1:1")
    workplace.register(NAME)
    assert workplace.publish(nodes[0], down)[NAME].detail.endswith(
        f"loaded on {nodes[0].address}; node 127.0.0.1:1 is down and loads it when it is back"
    )
    down.close()
    assert workplace.publish(*nodes)[NAME].detail == f"loaded on {nodes[1].address}"
    workplace.client().delete_registered_model_alias(NAME, "champion")
    assert workplace.publish(*nodes, seconds=0.1)[NAME].result is Result.WITHDRAWN
    assert served(*nodes) == [{}, {}]
    workplace.require_settled()


def test_errors_of_a_node_are_told_apart(workplace: Workplace, nodes: tuple[TritonNode, TritonNode]) -> None:
    with pytest.raises(NodeRefusedError, match=f"^node {nodes[0].address} says: .*'nobody'"):
        nodes[0].load("nobody")
    nodes[0].unload("nobody")
    with pytest.raises(NodeRefusedError, match="unknown model"):
        nodes[0].infer("nobody", 1, {"input": np.zeros((1, 1))})
    down = TritonNode("127.0.0.1:1")
    with pytest.raises(NodeDownError, match="^node 127.0.0.1:1 is down$"):
        down.ready()
    down.close()
    assert not workplace.catalog().models
