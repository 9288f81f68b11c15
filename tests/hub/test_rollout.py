"""What a publication asks of nodes, and in which order: at every moment some node answers for what the catalog says."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from hub.publishing.outcome import Result
from tests.hub.fake_nodes import FakeNode
from tests.hub.workplace import Workplace, draw_table

NAME = "team1_model"


@pytest.fixture
def nodes(workplace: Workplace) -> tuple[FakeNode, FakeNode]:
    return FakeNode("a:1", workplace.repository), FakeNode("b:2", workplace.repository)


def watch(workplace: Workplace, *nodes: FakeNode, least: int) -> None:
    """Requires of every moment that so many nodes serve all that the catalog names."""

    def check() -> None:
        for model in workplace.catalog().models:
            wanted = {version.number for version in model.versions}
            serving = [node for node in nodes if wanted <= set(node.serves().get(model.name, ()))]
            assert len(serving) >= least, f"{len(serving)} nodes serve {model.name} {wanted}"

    for node in nodes:
        node.changed = check


def wider_table() -> pd.DataFrame:
    return draw_table().assign(debt=lambda rows: rows["age"] ** 2)


def register_wider(workplace: Workplace) -> None:
    table = wider_table()
    workplace.register(NAME, LogisticRegression().fit(table, table["income"] > 0), table)


def test_a_first_version_is_loaded_everywhere_before_the_catalog_names_it(
    workplace: Workplace, nodes: tuple[FakeNode, FakeNode]
) -> None:
    workplace.register(NAME)
    named: list[int] = []
    for node in nodes:
        node.changed = lambda: named.append(len(workplace.catalog().models))
    outcome = workplace.publish(*nodes, pause=lambda _: pytest.fail("nobody calls it yet"), seconds=5)[NAME]
    assert outcome.result is Result.LIVE
    assert outcome.detail.endswith("; loaded on a:1, b:2")
    assert [node.asked for node in nodes] == [[f"load {NAME}"], [f"load {NAME}"]]
    assert named == [0, 0]


def test_a_second_run_asks_nodes_for_nothing(workplace: Workplace, nodes: tuple[FakeNode, FakeNode]) -> None:
    workplace.register(NAME)
    workplace.publish(*nodes)
    asked = [list(node.asked) for node in nodes]
    assert workplace.publish(*nodes)[NAME].result is Result.UNCHANGED
    assert [node.asked for node in nodes] == asked


def test_what_the_catalog_no_longer_names_stays_until_gateways_have_followed(
    workplace: Workplace, nodes: tuple[FakeNode, FakeNode]
) -> None:
    """A version that is replaced stays for a rollback; the one before it goes, when nobody calls it any more."""
    for _ in range(2):
        workplace.register(NAME)
        workplace.publish(*nodes)
    workplace.register(NAME)
    watch(workplace, *nodes, least=2)
    paused: list[float] = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        assert [version.number for version in workplace.catalog().models[0].versions] == [2, 3]
        assert [node.serves()[NAME] for node in nodes] == [[1, 2, 3], [1, 2, 3]]
        assert (workplace.repository / NAME / "1/model.onnx").exists()

    assert workplace.publish(*nodes, pause=pause, seconds=5)[NAME].version == 3
    assert [4 < seconds <= 5 for seconds in paused] == [True]
    workplace.publish(*nodes)
    assert [node.serves() for node in nodes] == [{NAME: [2, 3]}, {NAME: [2, 3]}]
    workplace.require_settled()


def test_a_publisher_that_does_not_wait_leaves_the_rest_to_the_next(
    workplace: Workplace, nodes: tuple[FakeNode, FakeNode]
) -> None:
    waiting = workplace.publisher(*nodes, handover_seconds=60.0, pause=lambda _: pytest.fail("it does not wait"))
    for number in range(1, 6):
        workplace.register(NAME)
        waiting.publish(lambda _: None, wait=False)
        assert [node.serves()[NAME] for node in nodes] == [list(range(1, number + 1))] * 2
    workplace.publish(*nodes)
    assert [node.serves() for node in nodes] == [{NAME: [4, 5]}, {NAME: [4, 5]}]
    workplace.require_settled()


def test_a_rollback_asks_nodes_for_nothing(workplace: Workplace, nodes: tuple[FakeNode, FakeNode]) -> None:
    for _ in range(2):
        workplace.register(NAME)
        workplace.publish(*nodes)
    asked = [list(node.asked) for node in nodes]
    workplace.point(NAME, "champion", 1)
    assert workplace.publish(*nodes)[NAME].detail == "champion is version 1 instead of 2"
    assert [node.asked for node in nodes] == asked
    assert [node.serves() for node in nodes] == [{NAME: [1, 2]}, {NAME: [1, 2]}]


def test_other_tensors_are_taken_live_node_by_node(workplace: Workplace, nodes: tuple[FakeNode, FakeNode]) -> None:
    workplace.register(NAME)
    workplace.publish(*nodes)
    register_wider(workplace)
    watch(workplace, *nodes, least=1)
    seen: list[object] = []

    def pause(_: float) -> None:
        seen.extend(node.serves()[NAME] for node in nodes)

    outcome = workplace.publish(*nodes, pause=pause, seconds=5)[NAME]
    assert seen == [[2], [1]]
    assert outcome.detail.endswith("; loaded on a:1, b:2")
    assert [node.serves() for node in nodes] == [{NAME: [2]}, {NAME: [2]}]
    workplace.publish(*nodes)
    workplace.require_settled()


@pytest.mark.parametrize("wrong", ["load failed", "probabilities differs by up to 0.5"])
def test_a_node_that_fails_when_the_catalog_has_moved_is_told(
    workplace: Workplace, nodes: tuple[FakeNode, FakeNode], wrong: str
) -> None:
    workplace.register(NAME)
    workplace.publish(*nodes)
    register_wider(workplace)
    nodes[1].refuses, nodes[1].shift = ({NAME}, 0.0) if wrong == "load failed" else (set(), 0.5)
    outcome = workplace.publish(*nodes)[NAME]
    assert outcome.result is Result.INCOMPLETE
    assert outcome.detail.count("node b:2") == 1
    assert wrong in outcome.detail
    assert nodes[0].serves() == {NAME: [2]}


def test_other_tensors_on_a_single_node_leave_a_gap_and_it_is_said(workplace: Workplace) -> None:
    node = FakeNode("a:1", workplace.repository)
    workplace.register(NAME)
    workplace.publish(node)
    register_wider(workplace)
    outcome = workplace.publish(node, seconds=5)[NAME]
    assert outcome.result is Result.LIVE
    assert "a:1 is the only node that answers: calls failed for a moment" in outcome.detail


@pytest.mark.parametrize(
    "register", [lambda place: place.register(NAME), register_wider], ids=["same", "other tensors"]
)
@pytest.mark.parametrize("wrong", ["refuses", "answers otherwise"])
def test_a_version_that_a_node_does_not_take_is_refused_and_everything_is_as_before(
    workplace: Workplace, nodes: tuple[FakeNode, FakeNode], register: Callable[[Workplace], None], wrong: str
) -> None:
    workplace.register("team2_other")
    workplace.register(NAME)
    workplace.publish(*nodes)
    before = workplace.catalog()
    register(workplace)
    first = nodes[0]
    first.refuses, first.shift = ({NAME}, 0.0) if wrong == "refuses" else (set(), 0.5)
    outcome = workplace.publish(*nodes)[NAME]
    assert outcome.result is Result.REFUSED
    assert ("load failed for model" if wrong == "refuses" else "probabilities differs by up to 0.5") in outcome.detail
    assert workplace.version_tags(NAME, 2)["serving.reason"] == outcome.detail
    assert workplace.catalog() == before
    assert [node.serves() for node in nodes] == [{NAME: [1], "team2_other": [1]}] * 2
    assert first.asked[-2:] == [f"load {NAME}", f"load {NAME}"]
    workplace.require_settled()


def test_a_new_model_that_a_node_refuses_leaves_nothing(workplace: Workplace, nodes: tuple[FakeNode, FakeNode]) -> None:
    nodes[1].refuses = {NAME}
    workplace.register(NAME)
    assert workplace.publish(*nodes)[NAME].result is Result.REFUSED
    assert [node.serves() for node in nodes] == [{}, {}]
    assert nodes[1].asked[-1] == f"unload {NAME}"
    workplace.require_settled()


def test_a_node_that_is_down_is_left_out_and_loads_what_is_live_later(
    workplace: Workplace, nodes: tuple[FakeNode, FakeNode]
) -> None:
    nodes[1].down = True
    workplace.register(NAME)
    outcome = workplace.publish(*nodes)[NAME]
    assert outcome.result is Result.LIVE
    assert outcome.detail.endswith("loaded on a:1; node b:2 is down and loads it when it is back")
    again = workplace.publish(*nodes)[NAME]
    assert (again.result, again.detail) == (Result.UNCHANGED, "node b:2 is down and loads it when it is back")
    nodes[1].down = False
    healed = workplace.publish(*nodes)[NAME]
    assert (healed.result, healed.detail) == (Result.LIVE, "loaded on b:2")
    assert nodes[1].serves() == {NAME: [1]}


def test_nothing_goes_live_that_no_node_answers_for(workplace: Workplace, nodes: tuple[FakeNode, FakeNode]) -> None:
    for node in nodes:
        node.down = True
    workplace.register(NAME)
    outcome = workplace.publish(*nodes)[NAME]
    assert outcome.result is Result.REFUSED
    assert outcome.detail == (
        "no node that could serve it answers (node a:1 is down; node b:2 is down): start one and publish again"
    )
    assert not workplace.catalog().models


def test_a_node_that_falls_down_while_it_loads_is_left_out(
    workplace: Workplace, nodes: tuple[FakeNode, FakeNode]
) -> None:
    nodes[1].changed = lambda: setattr(nodes[1], "down", True)
    workplace.register(NAME)
    outcome = workplace.publish(*nodes)[NAME]
    assert outcome.detail.endswith("loaded on a:1; node b:2 is down and loads it when it is back")


def test_a_version_that_ends_a_server_ends_one_of_them(workplace: Workplace, nodes: tuple[FakeNode, FakeNode]) -> None:
    """Whatever ends the first node that loads a version is kept from the others."""
    workplace.register(NAME)
    workplace.publish(*nodes)
    workplace.register(NAME)

    def end_if_new(node: FakeNode) -> None:
        node.down = 2 in workplace.config(NAME).version_policy.specific.versions

    for node in nodes:
        node.changed = partial(end_if_new, node)
    outcome = workplace.publish(*nodes)[NAME]
    assert outcome.detail == "node a:1 went down while it loaded it: see what that node says"
    assert (nodes[1].down, nodes[1].serves()) == (False, {NAME: [1]})


def test_a_live_version_that_a_node_does_not_take_back_is_told(
    workplace: Workplace, nodes: tuple[FakeNode, FakeNode]
) -> None:
    workplace.register(NAME)
    workplace.publish(*nodes)
    nodes[1].loaded.clear()
    nodes[1].refuses = {NAME}
    outcome = workplace.publish(*nodes)[NAME]
    assert outcome.result is Result.INCOMPLETE
    assert outcome.detail.startswith("node b:2 says: load failed")
    assert workplace.version_tags(NAME, 1)["serving.status"] == "live"


@pytest.mark.parametrize("up", [True, False])
def test_a_withdrawn_model_leaves_the_catalog_then_the_nodes_then_the_disk(
    workplace: Workplace, nodes: tuple[FakeNode, FakeNode], *, up: bool
) -> None:
    workplace.register(NAME)
    workplace.publish(*nodes)
    workplace.point(NAME, "champion", None)
    for node in nodes:
        node.down = not up
    paused: list[bool] = []

    def pause(_: float) -> None:
        assert not workplace.catalog().models
        assert nodes[0].serves() == {NAME: [1]}
        paused.append((workplace.repository / NAME / "1/model.onnx").exists())

    assert workplace.publish(*nodes, pause=pause, seconds=5)[NAME].result is Result.WITHDRAWN
    assert paused == [True]
    workplace.require_settled()
    for node in nodes:
        node.down = False
    workplace.publish(*nodes)
    assert [node.serves() for node in nodes] == [{}, {}]


def test_models_that_others_loaded_stay(workplace: Workplace, nodes: tuple[FakeNode, FakeNode]) -> None:
    nodes[0].loaded["theirs"] = {}
    workplace.register(NAME)
    workplace.publish(*nodes)
    assert "theirs" in nodes[0].loaded


def test_a_placement_that_changes_takes_the_model_to_the_other_nodes(
    workplace: Workplace, nodes: tuple[FakeNode, FakeNode]
) -> None:
    cpu, gpu = nodes
    workplace.register(NAME)
    workplace.publish(cpu, gpu=(gpu,))
    assert [node.serves() for node in nodes] == [{NAME: [1]}, {}]
    workplace.client().set_registered_model_tag(NAME, "placement", "gpu")
    watch(workplace, *nodes, least=1)
    seen: list[object] = []
    outcome = workplace.publish(cpu, gpu=(gpu,), pause=lambda _: seen.append(cpu.serves()), seconds=5)[NAME]
    assert (outcome.result, outcome.detail) == (Result.LIVE, "loaded on b:2")
    assert seen == [{NAME: [1]}]
    assert [node.serves() for node in nodes] == [{}, {NAME: [1]}]
    assert "KIND_GPU" in (workplace.repository / NAME / "config.pbtxt").read_text()
    workplace.require_settled()


def test_a_placement_is_only_recorded_where_there_are_no_nodes(workplace: Workplace) -> None:
    workplace.register(NAME)
    workplace.publish()
    workplace.client().set_registered_model_tag(NAME, "placement", "gpu")
    assert workplace.publish()[NAME].detail == "placement changed"
    assert "KIND_GPU" in (workplace.repository / NAME / "config.pbtxt").read_text()
