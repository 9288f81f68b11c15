"""A team that has trained two models whose answers can be told apart, and registers them again and again."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier
from tritonclient.grpc import service_pb2

from benchmarks.gbm import COLUMNS, draw_rows
from hub.registry import ModelRegistry
from hub.training.run import register
from hub.training.trained import DataSource, TrainedModel

TEAM, MODEL = "team9", "gbm"
NAME = f"{TEAM}_{MODEL}"
ASKED = 64
_TREES, _TELLING, _CLOSE = 100, 0.02, 1e-5
_SAMPLE = 1_000


@dataclass(slots=True)
class Team:
    """Two models, and which version is which.

    Attributes:
        registry: Where they are registered.
        rows: `[64, columns]` float64; the two models answer each of them differently.
        answers: Probabilities of the second class by model, one per row.
        sources: Address of the artifacts and the run of each model.
        models: By version, which model it is.
    """

    registry: ModelRegistry
    rows: NDArray[np.float64]
    answers: tuple[NDArray[np.float64], NDArray[np.float64]]
    sources: list[tuple[str, str]] = field(default_factory=list)
    models: dict[int, int] = field(default_factory=dict)

    def requests(self) -> list[bytes]:
        """Returns one serialised `inference.ModelInferRequest` per row."""
        requests = []
        for row in self.rows:
            request = service_pb2.ModelInferRequest(model_name=NAME, raw_input_contents=[row.tobytes()])
            request.inputs.add(name="input", datatype="FP64", shape=[1, COLUMNS])
            requests.append(bytes(request.SerializeToString()))
        return requests

    def check(self, number: int, answer: bytes) -> tuple[int, str]:
        """Returns the version that answered a row, and what is wrong with its answer."""
        response = service_pb2.ModelInferResponse.FromString(answer)
        version = int(response.model_version)
        names = [output.name for output in response.outputs]
        scores = np.frombuffer(response.raw_output_contents[names.index("probabilities")], np.float32)
        if version not in self.models:
            return version, f"version {version} was never promoted"
        expected = self.answers[self.models[version]][number]
        return version, "" if abs(float(scores[1]) - expected) < _CLOSE else f"not the answer of version {version}"

    def register(self, model: int) -> int:
        """Registers a model once more; returns its version."""
        source, run_id = self.sources[model]
        number = self.registry.register_model(TEAM, MODEL, source, run_id).number
        self.models[number] = model
        return number

    def promote(self, number: int, reason: str) -> None:
        """Makes a version champion."""
        self.registry.deploy_model(TEAM, MODEL, number, by="bench", reason=reason)


def train_team(uri: str) -> tuple[Team, list[TrainedModel]]:
    """Trains both models; returns a team that has registered neither."""
    drawn, classes = draw_rows()
    table = pd.DataFrame(drawn.astype(np.float64), columns=[f"f{number}" for number in range(COLUMNS)])
    trained = [
        GradientBoostingClassifier(n_estimators=_TREES, max_depth=3, subsample=0.3, max_features=6, random_state=seed)
        for seed in range(2)
    ]
    scores = [model.fit(table, classes).predict_proba(table)[:, 1] for model in trained]
    told_apart = np.flatnonzero(np.abs(scores[0] - scores[1]) > _TELLING)[:ASKED]
    answers = (scores[0][told_apart], scores[1][told_apart])
    team = Team(ModelRegistry(uri), table.to_numpy()[told_apart], answers)
    return team, [_described(model, table) for model in trained]


def register_first(team: Team, trained: TrainedModel, model: int, folder: Path) -> int:
    """Logs a model's artifacts, and makes it champion; returns its version."""
    number = register(trained, team.registry, folder.as_uri())
    team.models[number] = model
    version = team.registry.get_model_for_team(TEAM, MODEL)
    team.sources.append((version.source, version.run_id))
    return number


def _described(model: GradientBoostingClassifier, table: pd.DataFrame) -> TrainedModel:
    return TrainedModel(
        name=NAME,
        team=TEAM,
        model_type="sklearn.GradientBoostingClassifier",
        purpose="Benchmarks.",
        estimator=model,
        params={},
        metrics={},
        features=table,
        optional=frozenset(),
        training_scores=pd.Series(np.zeros(len(table))),
        parity_sample=table.head(_SAMPLE),
        source=DataSource("made up", "Drawn by scikit-learn's make_classification.", "None needed."),
    )
