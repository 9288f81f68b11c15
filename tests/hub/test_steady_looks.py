"""A look with nothing to do at a thousand live models with two arms: soon over, and few calls to the registry."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC

import pytest
import sqlalchemy
from erpml.catalog.v1 import catalog_pb2
from mlflow.store.model_registry.dbmodels.models import SqlModelVersionTag, SqlRegisteredModelTag
from mlflow.tracking import MlflowClient

from hub.catalog import write_catalog
from hub.experiments.reading import read_experiments
from hub.experiments.routing import route
from hub.features.declared import declared_views
from hub.history.root import find_root
from hub.publication import open_publisher
from hub.publishing.outcome import Outcome, Result
from hub.registry import ModelRegistry
from hub.repository import Repository
from hub.triton_config import compose_files
from tests.hub.registry.crowd import MODELS, crowded
from tests.hub.test_watch import settings_of
from tests.hub.workplace import Workplace

FIRST = "team1_first"
MOST_CALLS, MOST_SECONDS = 20, 30.0  # on a busy machine; a sixth of that on a quiet one
CHAMPION, CHALLENGER = 3, 2


class Counted(ModelRegistry):
    """A registry that counts the calls to MLflow."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.calls = Counter[str]()
        self._client = _Client(self.calls)
        self.history._client = self._client  # noqa: SLF001 - it has the same


class _Client(MlflowClient):
    def __init__(self, calls: Counter[str]) -> None:
        super().__init__()
        self._calls = calls

    def __getattribute__(self, name: str) -> object:
        if name.startswith(("search_", "get_", "set_", "delete_", "create_", "log_")):
            self._calls[name] += 1
        return super().__getattribute__(name)


@pytest.fixture
def crowd(workplace: Workplace) -> Iterator[Workplace]:
    """Publishes one model, and makes it a thousand, in the registry, the catalog and the repository."""
    workplace.register(FIRST)
    workplace.publish()
    workplace.open_registry()
    root = find_root(workplace.client())
    assert root is not None
    with crowded(f"sqlite:///{workplace.database}", root.experiment_id, challenged=True):
        catalog = workplace.catalog()
        first = catalog.models[0]
        catalog.models.extend(_copy(workplace, first, f"crowd_{number:04}") for number in range(MODELS))
        catalog.models.sort(key=lambda model: model.name)
        catalog.feature_views.extend(declaration.message() for declaration in declared_views())
        write_catalog(workplace.catalog_file, catalog)
        _mark(workplace, first.versions[0].live_since.ToDatetime(tzinfo=UTC).isoformat(timespec="seconds"))
        yield workplace


def _copy(workplace: Workplace, first: catalog_pb2.Model, name: str) -> catalog_pb2.Model:
    """Puts a model with two arms and an experiment into the repository; returns what the catalog says of it."""
    model = catalog_pb2.Model()
    model.CopyFrom(first)
    model.name, model.team = name, "crowd"
    model.policy["bands"].values.extend([0.05, 0.2])
    model.versions.add().CopyFrom(first.versions[0])
    for version, number in zip(model.versions, (CHALLENGER, CHAMPION), strict=True):
        version.number, version.source = number, f"models:/m-{name}-{number}"
        shutil.copytree(workplace.repository / FIRST / "1", workplace.repository / name / str(number))
    model.arms[0].version = CHAMPION
    model.arms.add(name="challenger", version=CHALLENGER, kind=catalog_pb2.ARM_KIND_CHALLENGER)
    reading = read_experiments(name, {"weight.challenger": "10"})
    model.CopyFrom(route(model, reading, lambda _: None).model)
    for file, content in compose_files(model).items():
        (workplace.repository / name / file).write_bytes(content)
    return model


def _mark(workplace: Workplace, since: str) -> None:
    """Writes the tags that a publisher leaves."""
    engine = sqlalchemy.create_engine(f"sqlite:///{workplace.database}")
    names, arms = [f"crowd_{number:04}" for number in range(MODELS)], {"champion": CHAMPION, "challenger": CHALLENGER}
    rows = [
        {"name": name, "version": version, "key": key, "value": value}
        for name in names
        for arm, version in arms.items()
        for key, value in {"serving.arms": arm, "serving.since": since}.items()
    ]
    slices = [
        {"name": name, "key": "buckets.default", "value": "challenger:0-999;champion:1000-9999"} for name in names
    ]
    with engine.begin() as connection:
        connection.execute(sqlalchemy.insert(SqlModelVersionTag), rows)
        connection.execute(sqlalchemy.insert(SqlRegisteredModelTag), slices)
    engine.dispose()


def test_a_look_with_nothing_to_do_is_soon_over_and_asks_little(crowd: Workplace) -> None:
    settings = settings_of(crowd)
    registry, repository = Counted(settings.registry_uri), Repository(settings.repository)
    outcomes: list[Outcome] = []
    before = crowd.catalog_file.stat().st_mtime_ns
    for _ in range(2):  # the first reads all graphs
        registry.calls.clear()
        outcomes.clear()
        began = time.monotonic()
        with open_publisher(settings, registry=registry, repository=repository) as publisher:
            publisher.publish(outcomes.append, wait=False)
        seconds = time.monotonic() - began
    assert {outcome.result for outcome in outcomes} == {Result.UNCHANGED}
    assert len(outcomes) == MODELS + 1
    assert crowd.catalog_file.stat().st_mtime_ns == before
    assert registry.calls.total() <= MOST_CALLS, registry.calls
    assert seconds < MOST_SECONDS
