"""The history on every store: who, when and why; whole where several write it, telling where somebody altered it."""

import threading
from datetime import UTC, datetime

import mlflow

from hub.history import Change, History
from hub.history.root import EXPERIMENT, find_root, make_root
from hub.registry import ModelRegistry
from hub.registry.discovery import UNKNOWN, find_unrecorded
from tests.hub.registry.conftest import Store
from tests.hub.registry.teams import register

WRITERS, EACH = 4, 4


def change(name: str, number: int) -> Change:
    return Change(name, "refused", version=number, by="publisher", reason=f"reason {number} 'ü' \n")


def append(history: History, name: str, count: int) -> None:
    for number in range(1, count + 1):
        history.append(change(name, number))


def test_every_change_says_who_made_it_and_why(registry: ModelRegistry, team: str) -> None:
    before = datetime.now(UTC)
    register(registry, team, versions=2)
    registry.deploy_model(team, "churn", 1, by="bob", reason="first")
    registry.deploy_model(team, "churn", 2, weight=12.5, by="carol", reason="better AUC", override="rates")
    registry.remove_alias(team, "churn", "champion", by="dave", reason="too slow")
    changes = registry.history.of(f"{team}_churn")
    assert [(each.kind, each.version, each.previous, each.by, each.reason) for each in changes] == [
        ("registered", 1, None, "alice", ""),
        ("registered", 2, None, "alice", ""),
        ("alias", 1, None, "bob", "first"),
        ("weight", None, None, "carol", "better AUC"),
        ("alias", 2, 1, "carol", "better AUC"),
        ("alias", None, 2, "dave", "too slow"),
        ("weight", None, None, "dave", "too slow"),
    ]
    assert changes[4].details == {"override": "rates"}
    assert [each.at for each in changes] == sorted(each.at for each in changes)
    assert before <= changes[0].at <= changes[-1].at <= datetime.now(UTC)
    assert registry.history.verify(f"{team}_churn") == []
    assert registry.history.last_aliases()[f"{team}_churn"] == {}


def test_a_change_comes_back_as_it_went(registry: ModelRegistry, team: str) -> None:
    moment = datetime(2026, 11, 1, 0, 0, 0, 123_456, tzinfo=UTC)
    given = Change(f"{team}_churn", "live", "champion", 7, 6, "publisher", "näh\x00\n'\"`", moment, {"arms": "a=1"})
    registry.history.append(given)
    assert registry.history.of(f"{team}_churn") == [given]
    assert registry.history.of(f"{team}_churn", since=moment, until=moment) == [given]
    assert registry.history.of(f"{team}_churn", until=datetime(2026, 10, 31, tzinfo=UTC)) == []


def test_what_is_long_is_cut_and_keeps_nobody_waiting(registry: ModelRegistry, team: str) -> None:
    register(registry, team)
    registry.deploy_model(team, "churn", 1, by="b" * 9000, reason="\x01" * 9000, override="\x02" * 9000)
    (*_, move) = registry.history.of(f"{team}_churn")
    assert (move.by, move.reason, move.details["override"]) == ("b" * 200, "\x01" * 333, "\x02" * 83)
    assert registry.history.verify(f"{team}_churn") == []


def test_hubs_that_write_at_once_lose_nothing(store: Store, team: str) -> None:
    histories = [ModelRegistry(store.uri).history for _ in range(WRITERS)]
    start, failures = threading.Barrier(WRITERS), list[BaseException]()

    def write(history: History) -> None:
        try:
            start.wait()
            append(history, f"{team}_churn", EACH)
        except BaseException as error:  # noqa: BLE001 - the thread cannot raise it where it would be seen
            failures.append(error)

    threads = [threading.Thread(target=write, args=(history,)) for history in histories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = [each.version for each in histories[0].of(f"{team}_churn")]
    assert sorted(found, key=lambda number: number or 0) == [number for number in range(1, EACH + 1) for _ in histories]
    assert histories[0].verify(f"{team}_churn") == []


def test_a_history_that_two_begin_is_one(registry: ModelRegistry, team: str) -> None:
    append(registry.history, f"{team}_churn", 1)
    client = mlflow.MlflowClient()
    assert make_root(client) == find_root(client)
    names = {experiment.name for experiment in client.search_experiments()}
    assert [name for name in names if name.startswith(EXPERIMENT)] == [EXPERIMENT]


def test_a_move_in_mlflow_itself_is_found(registry: ModelRegistry, team: str) -> None:
    register(registry, team, versions=2)
    name = f"{team}_churn"
    registry.deploy_model(team, "churn", 1, by="bob")
    registry.deploy_model(team, "churn", 1, alias="shadow", by="bob")
    assert found(registry, name) == []
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(name, "champion", "2")
    client.delete_registered_model_alias(name, "shadow")
    assert [(each.alias, each.version, each.previous, each.by) for each in found(registry, name)] == [
        ("champion", 2, 1, UNKNOWN),
        ("shadow", None, 1, UNKNOWN),
    ]
    for each in found(registry, name):
        registry.history.append(each)
    assert found(registry, name) == []


def found(registry: ModelRegistry, name: str) -> list[Change]:
    moves = find_unrecorded(registry.models(), registry.history.last_aliases(), datetime.now(UTC))
    return [each for each in moves if each.name == name]
