"""A publisher may die at any moment: what the catalog names is whole, and the next one finishes the work.

Here it dies at each of its changes; `chaos/test_killed_publisher.py` kills real ones.
"""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from tests.hub.crash import Crash, CrashPoint
from tests.hub.fake_nodes import FakeNode
from tests.hub.workplace import Workplace, draw_table

OLD, NEW, GONE = "team1_old", "team2_new", "team3_gone"
MOST_CHANGES = 200


@pytest.fixture(scope="module")
def crash_point() -> CrashPoint:
    return CrashPoint()


def replace_version(workplace: Workplace) -> dict[str, list[int]]:
    """A live model has a new version, and the one before the last goes."""
    for _ in range(2):
        workplace.register(OLD)
        workplace.publish()
    workplace.register(OLD)
    return {OLD: [2, 3]}


def add_and_withdraw(workplace: Workplace) -> dict[str, list[int]]:
    """One model is new; one has lost its alias."""
    workplace.register(GONE)
    workplace.publish()
    workplace.register(NEW)
    workplace.point(GONE, "champion", None)
    return {NEW: [1]}


@pytest.fixture(autouse=True)
def _databases_are_closed_after_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets one copy after the other lie in the same place: MLflow learns its tables anew for every other name."""
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")


def copy(workplace: Workplace, root: Path) -> Workplace:
    """Copies all but the artifacts, which nobody writes; what lay there before goes."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    shutil.copy(workplace.database, root)
    shutil.copytree(workplace.repository, root / "model_repository")
    shutil.copytree(workplace.catalog_file.parent, root / "catalog")
    return Workplace(root, kept=workplace.conversions)


def served(workplace: Workplace) -> dict[str, list[int]]:
    return {model.name: [version.number for version in model.versions] for model in workplace.catalog().models}


@pytest.mark.parametrize("prepare", [replace_version, add_and_withdraw])
def test_every_moment_is_safe(
    workplace: Workplace,
    tmp_path: Path,
    crash_point: CrashPoint,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Workplace], dict[str, list[int]]],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # what the dead leave behind goes with the test
    wanted = prepare(workplace)
    for change in range(MOST_CHANGES):
        place = copy(workplace, tmp_path / "crash")
        try:
            with crash_point.at(change, place.root):
                place.publish()
        except Crash:
            place.require_whole()
        else:
            assert change > 10, "the publisher made fewer changes than it must"
            break
        if OLD in wanted:
            assert served(place)[OLD] in ([1, 2], [2, 3])
        place.publish()
        place.require_settled()
        assert served(place) == wanted
    else:
        pytest.fail("the publisher never came to an end")


def replace_tensors(workplace: Workplace) -> dict[str, list[int]]:
    """A live model has a new version with another column."""
    workplace.register(OLD)
    workplace.publish()
    table = draw_table().assign(debt=1.0)
    workplace.register(OLD, LogisticRegression().fit(table, table["income"] > 0), table)
    return {OLD: [2]}


def start_nodes(place: Workplace, crash_point: CrashPoint) -> tuple[list[FakeNode], list[int]]:
    """Returns two nodes that serve what is live, and a list that gets the number of each change that they are."""
    nodes, changes = [FakeNode(address, place.repository) for address in ("a:1", "b:2")], list[int]()

    def change() -> None:
        changes.append(crash_point.changes)
        (place.root / "nodes.log").write_text("a node is asked for something")

    for node in nodes:
        for name in served(place):
            node.load(name)
        node.changed = change
    return nodes, changes


@pytest.mark.parametrize("prepare", [replace_version, replace_tensors, add_and_withdraw])
def test_every_moment_around_a_node_is_safe(
    workplace: Workplace,
    tmp_path: Path,
    crash_point: CrashPoint,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Workplace], dict[str, list[int]]],
) -> None:
    """Dies after each load and unload; some node serves what the catalog names, and the next one ends the work."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    wanted = prepare(workplace)
    place = copy(workplace, tmp_path / "whole")
    nodes, changes = start_nodes(place, crash_point)
    with crash_point.at(MOST_CHANGES, place.root):
        place.publish(*nodes)
    assert len(changes) >= len(nodes)
    for change in [*changes[1:], changes[-1] + 1]:
        place = copy(workplace, tmp_path / "crash")
        nodes, _ = start_nodes(place, crash_point)
        with suppress(Crash), crash_point.at(change, place.root):
            place.publish(*nodes)
        for name, versions in served(place).items():
            assert any(set(versions) <= set(node.serves().get(name, ())) for node in nodes)
        place.publish(*nodes)
        place.require_settled()
        assert served(place) == wanted
        assert [node.serves() for node in nodes] == [wanted, wanted]


def test_a_publisher_that_dies_while_gateways_follow_is_survived_by_the_old_version(workplace: Workplace) -> None:
    """The next one gives gateways the rest of their time before it takes anything away."""
    replace_version(workplace)
    nodes = [FakeNode(address, workplace.repository) for address in ("a:1", "b:2")]

    def die(_: float) -> None:
        raise Crash

    with suppress(Crash):
        workplace.publish(*nodes, pause=die, seconds=5)
    paused: list[float] = []
    workplace.publish(*nodes, pause=paused.append, seconds=5)
    assert [0 < seconds <= 5 for seconds in paused] == [True]
    workplace.publish(*nodes)
    assert [node.serves() for node in nodes] == [{OLD: [2, 3]}, {OLD: [2, 3]}]
    workplace.require_settled()
