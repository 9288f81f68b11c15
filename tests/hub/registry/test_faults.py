"""What happens to a history when a hub is killed while it writes, or somebody alters it in MLflow."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import mlflow
import pytest

from hub.history import Change, History
from hub.history.root import find_root
from hub.registry import ModelRegistry
from tests.hub.registry.conftest import Store


@pytest.fixture
def history(embedded: Store) -> History:
    return ModelRegistry(embedded.uri).history


def change(name: str, number: int) -> Change:
    return Change(name, "refused", version=number, by="publisher", reason=f"reason {number}")


def append(history: History, name: str, count: int) -> None:
    for number in range(1, count + 1):
        history.append(change(name, number))


def runs_of(client: mlflow.MlflowClient, name: str) -> list[mlflow.entities.Run]:
    """Returns what MLflow shows of a model's history, the oldest first."""
    root = find_root(client)
    assert root is not None
    order = ["tags.`gapura.sequence`"]
    return list(client.search_runs([root.experiment_id], f"tags.model = '{name}'", order_by=order))


class Killed(BaseException):
    """The process would be dead by now."""


class Dying(mlflow.MlflowClient):
    """A client whose process is killed when it is about to make a certain call."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self.call = call
        self.died = 0

    def log_param(self, run_id: str, key: str, value: Any, synchronous: Any = None) -> Any:
        self._live("log_param")
        return super().log_param(run_id, key, value, synchronous)

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        self._live("set_terminated")
        super().set_terminated(run_id, status, end_time)

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: Any = None) -> Any:
        self._live("set_tag")
        return super().set_tag(run_id, key, value, synchronous)

    def _live(self, call: str) -> None:
        if call == self.call:
            self.died += 1
            raise Killed


@pytest.mark.parametrize("call", ["log_param", "set_terminated", "set_tag"])
def test_a_hub_that_is_killed_leaves_a_whole_history(history: History, team: str, call: str) -> None:
    """What was linked counts, and the next hub finishes it; the first change hangs on the root, others on another."""
    name, client = f"{team}_churn", Dying(call)
    for version in (11, 12):
        with suppress(Killed):
            History(client).append(Change(name, "alias", "champion", version))
        history.append(Change(name, "alias", "shadow", version))
    assert client.died > 0
    versions = [each.version for each in history.of(name)]
    assert versions == ([11, 12] if call == "log_param" else [11, 11, 12, 12])
    assert history.verify(name) == []
    champion = {} if call == "log_param" else {"champion": 12}
    assert history.last_aliases()[name] == champion | {"shadow": 12}


def delete(client: mlflow.MlflowClient, runs: list[mlflow.entities.Run]) -> None:
    client.delete_run(runs[1].info.run_id)


def delete_last(client: mlflow.MlflowClient, runs: list[mlflow.entities.Run]) -> None:
    client.delete_run(runs[2].info.run_id)


def delete_all(client: mlflow.MlflowClient, runs: list[mlflow.entities.Run]) -> None:
    for run in runs:
        client.delete_run(run.info.run_id)


def edit(client: mlflow.MlflowClient, runs: list[mlflow.entities.Run]) -> None:
    tag = runs[1].data.tags["gapura.change"]
    client.set_tag(runs[1].info.run_id, "gapura.change", tag.replace('"by": "publisher"', '"by": "nobody"'))


def garble(client: mlflow.MlflowClient, runs: list[mlflow.entities.Run]) -> None:
    client.set_tag(runs[2].info.run_id, "gapura.change", "{}")


Tampering = Callable[[mlflow.MlflowClient, list[mlflow.entities.Run]], None]


@pytest.mark.parametrize(
    ("tamper", "faults"),
    [
        (delete, ["entry 2 is gone"]),
        (delete_last, ["entry 3 is gone"]),
        (delete_all, ["entry 1 is gone"]),
        (edit, ["entry 2 was edited (run {1})", "entry 3 does not follow entry 2: one of them was edited"]),
        (garble, ["entry 3 was edited (run {2})"]),
    ],
)
def test_what_somebody_altered_is_named(history: History, team: str, tamper: Tampering, faults: list[str]) -> None:
    name, client = f"{team}_churn", mlflow.MlflowClient()
    append(history, name, 3)
    runs = runs_of(client, name)
    tamper(client, runs)
    ids = [run.info.run_id for run in runs]
    assert history.verify(name) == [fault.format(*ids) for fault in faults]


def test_a_history_goes_on_after_its_last_entry_was_deleted(history: History, team: str) -> None:
    name, client = f"{team}_churn", mlflow.MlflowClient()
    append(history, name, 2)
    for _ in range(2):
        client.delete_run(runs_of(client, name)[-1].info.run_id)
        history.append(change(name, 9))
    assert [each.version for each in history.of(name)] == [1, 9]
    assert history.verify(name) == ["entry 2 is gone", "entry 3 is gone"]


def test_an_entry_that_says_nothing_any_more_holds_nobody_up(history: History, team: str) -> None:
    name, client = f"{team}_churn", mlflow.MlflowClient()
    append(history, name, 3)
    garble(client, runs_of(client, name))
    history.append(Change(name, "alias", "champion", 4))
    assert [each.version for each in history.of(name)] == [1, 2, 4]
    assert history.last_aliases()[name] == {"champion": 4}
    assert history.verify(name) == [f"entry 3 was edited (run {runs_of(client, name)[2].info.run_id})"]
