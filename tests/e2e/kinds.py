"""Models of one kind each, as teams register them, and what callers must get from them."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from numpy.typing import NDArray

from hub.artifact import PARITY_SAMPLE
from hub.registry import ModelRegistry

TEAM = "team6"

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A model, and a call to it.

    Attributes:
        flavor: Library that logs it, by its MLflow name.
        model: The trained object, or a graph.
        inputs: Tensors that a caller sends; texts are objects.
        answers: What the model itself answers to them, by output.
        taken: What it was trained on, a table or an array; None where a graph says itself what it takes.
        tolerance: Largest difference, absolute or as a share of the answer.
        settings: Of `log_model`.
    """

    flavor: str
    model: Any
    inputs: Arrays
    answers: Arrays
    taken: Any = None
    tolerance: float = 1e-5
    settings: Mapping[str, Any] = field(default_factory=dict)


Kinds = Mapping[str, Callable[[], Kind]]
"""What makes each kind, by the name that it is registered under."""


def register(registry: ModelRegistry, name: str, kind: Kind, experiment: str, team: str = TEAM) -> None:
    """Logs a model as its team does, registers it and makes it champion."""
    signature = {} if kind.taken is None else {"signature": infer_signature(kind.taken)}
    with mlflow.start_run(experiment_id=experiment) as run:
        if isinstance(kind.taken, pd.DataFrame):
            log_sample(kind.taken)
        flavor = getattr(mlflow, kind.flavor)
        # requirements that are given need not be inferred, which takes seconds
        logged = flavor.log_model(kind.model, name="model", pip_requirements=["numpy"], **signature, **kind.settings)
    version = registry.register_model(team, name, logged.model_uri, run.info.run_id)
    registry.deploy_model(team, name, version.number)


def log_sample(table: pd.DataFrame) -> None:
    """Leaves real rows in the run, for the proof."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PARITY_SAMPLE
        table.to_parquet(path)
        mlflow.log_artifact(str(path))


def column(values: Any) -> NDArray[Any]:
    """Returns `[rows]` as `[rows, 1]`; texts become objects."""
    array = np.asarray(values).reshape(-1, 1)
    return array.astype(object) if array.dtype.kind in "OSUT" else array


def matrix_of(table: pd.DataFrame) -> Arrays:
    """Returns a table of doubles as the one tensor that carries it."""
    return {"input": np.ascontiguousarray(table.to_numpy(np.float64))}


def columns_of(table: pd.DataFrame) -> Arrays:
    """Returns a table as one tensor per column."""
    return {str(name): column(table[name].to_numpy()) for name in table}
