"""A thousand live models are read in a few calls, and soon."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import mlflow
import pytest

from hub.history import Change, History
from hub.history.root import find_root
from hub.registry import ModelRegistry
from hub.registry.discovery import find_unrecorded
from hub.registry.survey import read_models
from tests.hub.registry.conftest import Store
from tests.hub.registry.crowd import MODELS, crowded

_SECONDS = 30.0  # it takes a tenth of that where the machine is not busy with something else


class Counting(mlflow.MlflowClient):
    """A client that notes which calls were made."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith(("search_", "get_", "set_", "delete_", "create_", "log_")):
            self.calls.append(name)
        return super().__getattribute__(name)


@pytest.fixture(scope="module", params=["embedded", "server"])
def crowd(request: pytest.FixtureRequest) -> Iterator[Counting]:
    store: Store = request.getfixturevalue(request.param)
    ModelRegistry(store.uri).history.append(Change("team0_first", "registered", version=1))
    root = find_root(mlflow.MlflowClient())
    assert root is not None
    with crowded(store.database, root.experiment_id):
        yield Counting()


def test_a_look_at_a_thousand_live_models_makes_few_calls(crowd: Counting) -> None:
    crowd.calls.clear()
    begin = time.perf_counter()
    models = read_models(crowd)
    moves = find_unrecorded(models, History(crowd).last_aliases(), datetime.now(UTC))
    seconds = time.perf_counter() - begin
    found = [model for name, model in models.items() if name.startswith("crowd_")]
    assert len(found) == MODELS
    assert {(version.number, version.source) for model in found for version in model.versions.values()} == {
        (3, f"models:/m-{model.name}-3") for model in found
    }
    assert {(number, tags["serving.status"]) for model in found for number, tags in model.statuses.items()} == {
        (2, "standby"),
        (3, "live"),
    }
    assert not [move for move in moves if move.name.startswith("crowd_")]
    assert len(crowd.calls) <= 8
    assert seconds < _SECONDS


def test_new_versions_are_asked_for_together(crowd: Counting) -> None:
    """Twenty champions move to a version that is not served: one more call."""
    for number in range(20):
        crowd.set_registered_model_alias(f"crowd_{number:04}", "champion", "1")
    crowd.calls.clear()
    models = read_models(crowd)
    assert [models[f"crowd_{number:04}"].versions["champion"].tags["serving.status"] for number in (0, 19, 20)] == [
        *("retired", "retired", "live")
    ]
    assert len(crowd.calls) <= 8
