"""Trains a model, logs it as an MLflow run and registers it."""

import json
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from hub.artifact import PARITY_SAMPLE
from hub.chatter import without_warnings
from hub.identity import current_user
from hub.registry import ModelRegistry
from hub.registry.records import CHAMPION
from hub.settings import HubSettings
from hub.training.baseline import describe_training
from hub.training.card import write_card
from hub.training.dataset import write_parquet
from hub.training.pipelines import Pipeline, Say
from hub.training.trained import TrainedModel
from hub.translation import translated

_REQUIREMENTS = ("cloudpickle", "numpy", "onnx", "pandas", "scikit-learn", "skl2onnx")
_EXAMPLE_ROWS = 5


def train_and_register(pipeline: Pipeline, settings: HubSettings, say: Say) -> None:
    """Runs a pipeline, keeps the histories of its features, and makes its model champion; says what it did.

    Raises:
        HubError: The data or the registry cannot be reached.
    """
    registry = ModelRegistry(settings.registry_uri)
    model = pipeline(settings.var / "data", say)
    rows = int(model.metrics["held_out_rows"])
    scores = ", ".join(f"{key} {value:.4f}" for key, value in model.metrics.items() if key != "held_out_rows")
    say(f"on {rows:,} held-out rows: {scores}")
    write_histories(model.histories, settings.features, say)
    version = register(model, registry, settings.artifact_uri)
    say(f"registered {model.name} version {version} as champion; `gapura publish` puts it live")


def register(model: TrainedModel, registry: ModelRegistry, artifact_uri: str | None) -> int:
    """Logs and registers a model and makes it champion; returns its version.

    Args:
        model: What a pipeline returned.
        registry: Where it goes.
        artifact_uri: Where a new experiment keeps its artifacts; None leaves that to the registry's server.
    """
    experiment = registry.open_experiment(model.name, artifact_uri)
    tags = {"team": model.team, "created_by": current_user(), "model_type": model.model_type}
    with translated(), without_warnings(), mlflow.start_run(experiment_id=experiment) as run:
        mlflow.set_tags(tags | {"data.source": f"{model.source.title}. {model.source.origin}"})
        mlflow.set_tag("data.licence", model.source.licence)
        mlflow.log_params(dict(model.params))
        mlflow.log_metrics(dict(model.metrics))
        _log_files(model)
        source = _log_model(model)
    number = registry.register(model.name, source, run.info.run_id, tags)
    registry.set_alias(model.name, CHAMPION, number)
    return number


def write_histories(histories: Mapping[str, pd.DataFrame], folder: Path, say: Say) -> None:
    """Writes what feature views are materialised from, a file for each view, and says so.

    Args:
        histories: Rows by the name of the view.
        folder: Where the files lie, as `<view>.parquet`.
        say: Takes a line for each.
    """
    for view, history in histories.items():
        path = folder / f"{view}.parquet"
        write_parquet(path, history)
        say(f"wrote {len(history):,} rows for the feature view {view} to {path}")


def _log_files(model: TrainedModel) -> None:
    """Writes what belongs beside the model: baseline, parity sample and card."""
    with tempfile.TemporaryDirectory(prefix="gapura-") as name:
        folder = Path(name)
        baseline = describe_training(model.features, model.training_scores)
        (folder / "quality_baseline.json").write_text(json.dumps(baseline, indent=2))
        (folder / "model_card.md").write_text(write_card(model))
        model.parity_sample.to_parquet(folder / PARITY_SAMPLE, index=False)
        mlflow.log_artifacts(str(folder))


def _log_model(model: TrainedModel) -> str:
    """Logs the estimator; returns the address of its artifacts."""
    logged = mlflow.sklearn.log_model(
        model.estimator,
        name="model",
        signature=_signature(model),
        input_example=model.parity_sample.head(_EXAMPLE_ROWS),
        serialization_format="cloudpickle",
        pip_requirements=[f"{package}=={metadata.version(package)}" for package in _REQUIREMENTS],
        pyfunc_predict_fn="predict_proba",
    )
    return str(logged.model_uri)


def _signature(model: TrainedModel) -> ModelSignature:
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.double, name, required=name not in model.optional) for name in map(str, model.features.columns)
    ]
    answer = mlflow.models.infer_signature(model_output=model.estimator.predict_proba(model.parity_sample))
    return ModelSignature(inputs=Schema(columns), outputs=answer.outputs)
