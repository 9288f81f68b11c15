"""The champions of the registry: the trained model itself, real rows of it, and how well it does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mlflow
import pandas as pd

from converters import load
from converters.mlmodel import read_sample
from hub.artifact import download
from hub.registry import ModelRegistry
from hub.registry.records import CHAMPION

BASELINE = "baseline."
REACHED = "reached"


@dataclass(frozen=True, slots=True)
class Score:
    """A metric on held-out rows, beside what a simpler model reached.

    Attributes:
        metric: Its name.
        measured: The model's.
        baseline: The simpler model's.
        reached: Whether the model is at least as good.
    """

    metric: str
    measured: float
    baseline: float
    reached: bool

    def __str__(self) -> str:
        return f"{self.metric} {self.measured:.4g} ({'baseline' if self.reached else 'MISSES'} {self.baseline:.4g})"


@dataclass(frozen=True, slots=True)
class Champion:
    """A champion.

    Attributes:
        name: Registered name.
        kind: Library and estimator.
        model: The trained object.
        metadata: What was logged with it.
        rows: Rows that its training never saw.
        scores: How well it does on all of those.
    """

    name: str
    kind: str
    model: Any
    metadata: Mapping[str, Any]
    rows: pd.DataFrame
    scores: tuple[Score, ...]


def read_champion(registry: ModelRegistry, name: str) -> Champion:
    """Returns the champion of a model."""
    registered = registry.models()[name]
    version = registered.versions[CHAMPION]
    run = mlflow.get_run(version.run_id)
    with download(registry, version) as found:
        assert found.sample is not None, f"{name} was logged without real rows"
        loaded, rows = load(found.folder), read_sample(found.sample)
    scores = tuple(
        Score(metric, run.data.metrics[metric], value, run.data.tags.get(key) == REACHED)
        for key, value in run.data.metrics.items()
        if (metric := key.removeprefix(BASELINE)) != key
    )
    return Champion(name, run.data.tags["model_type"], loaded.model, loaded.metadata, rows, scores)
