"""A publisher is killed at ten moments of its work: the node loads what lies there, and the next run ends the work."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from hub.registry import ModelRegistry
from hub.registry.records import RegisteredVersion
from tests.e2e.serving import scratch_environment
from tests.hub.forking import Forking, forking
from tests.hub.workplace import COLUMNS, Workplace
from tests.triton.calls import infer
from tests.triton.nodes import RunningNode, running_node, stub_of

KILLS, RUNS = 10, 5
SEED = 20261122
STEADY, MOVING = "team1_steady", "team2_moving"


@dataclass(frozen=True, slots=True)
class Place:
    """What a publisher works on.

    Attributes:
        workplace: Registry, repository and catalog.
        registry: The registry.
        node: The one node.
        publishers: Starts them.
        first: Version whose artifacts all others have.
    """

    workplace: Workplace
    registry: ModelRegistry
    node: RunningNode
    publishers: Forking
    first: RegisteredVersion

    def publish(self) -> float:
        """Publishes to the end; returns how many seconds that took."""
        began = time.monotonic()
        self.publishers.start()
        assert self.publishers.wait() == 0
        return time.monotonic() - began

    def publish_and_kill(self, seconds: float) -> bool:
        """Publishes, and kills the publisher after a while; returns whether it had not ended yet."""
        process = self.publishers.start()
        time.sleep(seconds)
        with suppress(ProcessLookupError):  # it has ended
            os.kill(process, signal.SIGKILL)
        return self.publishers.wait() == -signal.SIGKILL

    def change(self, chance: np.random.Generator) -> None:
        """Does what a team does: a new champion, one from before, no champion, or another model's new one."""
        known = self.wanted()
        kind = chance.choice(("new", "new", "back", "withdraw", "steady"))
        if kind == "withdraw" and MOVING in known:
            self.workplace.point(MOVING, "champion", None)
            return
        name = STEADY if kind == "steady" else MOVING
        team, _, model = name.partition("_")
        newest = self.registry.register_model(team, model, self.first.source, self.first.run_id).number
        self.workplace.point(name, "champion", newest - 1 if kind == "back" else newest)

    def wanted(self) -> dict[str, int]:
        """Returns the champions that the registry names."""
        models = self.registry.models()
        return {
            name: model.versions["champion"].number for name, model in models.items() if "champion" in model.versions
        }

    def require_loading(self) -> None:
        """The versions of the catalog answer; then everything in the repository loads, and they still do."""
        self.workplace.require_whole()
        folders = [path.name for path in self.workplace.repository.iterdir() if not path.name.startswith(".")]
        with stub_of(self.node.address) as stub:
            self._require_answers(stub)
            for name in folders:
                stub.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name=name), timeout=30)
            self._require_answers(stub)

    def _require_answers(self, stub: Any) -> None:
        for model in self.workplace.catalog().models:
            for version in model.versions:
                ready = service_pb2.ModelReadyRequest(name=model.name, version=str(version.number))
                assert stub.ModelReady(ready, timeout=10).ready
            infer(stub, model.name, {"input": np.zeros((1, len(COLUMNS)))})

    def require_converged(self) -> None:
        """What the registry wants is live, and nothing else lies there or is loaded."""
        self.workplace.require_settled()
        catalog, wanted = self.workplace.catalog(), self.wanted()
        assert {model.name: model.arms[0].version for model in catalog.models} == wanted
        for name, number in wanted.items():
            assert self.workplace.version_tags(name, number)["serving.status"] == "live"
        with stub_of(self.node.address) as stub:
            index = stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(ready=True), timeout=10)
        served = {(entry.name, int(entry.version)) for entry in index.models}
        assert served == {(model.name, version.number) for model in catalog.models for version in model.versions}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Two registered models, and one node that serves nothing yet."""
    workplace = Workplace(tmp_path)
    for name in (STEADY, MOVING):
        workplace.register(name)
    workplace.repository.mkdir()
    with running_node(workplace.repository, tmp_path / "node") as node:
        environment = scratch_environment(
            os.environ,
            VAR=str(tmp_path),
            REPOSITORY=str(workplace.repository),
            CATALOG=str(workplace.catalog_file),
            CONTRACTS=str(tmp_path / "contracts"),
            FREEZE=str(tmp_path / "freeze.yaml"),
            MLFLOW_URI=f"sqlite:///{workplace.database}",
            NODES=node.address,
            HANDOVER_SECONDS="0.2",
        )
        with forking(environment) as publishers:
            yield Place(workplace, workplace.open_registry(), node, publishers, workplace.champion(MOVING))


def test_ten_kills_leave_nothing_that_does_not_load_and_the_next_run_ends_the_work(place: Place) -> None:
    chance = np.random.default_rng(SEED)
    place.publish()
    place.change(chance)
    whole = place.publish()
    place.require_converged()
    killed = 0
    while killed < KILLS:
        place.change(chance)
        killed += place.publish_and_kill(whole * (killed + chance.uniform()) / KILLS)
        place.require_loading()
        if killed % (KILLS // RUNS) == 0:
            place.publish()
            place.require_converged()
