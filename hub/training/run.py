"""Trains models, logs each as an MLflow run and registers it."""

import json
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path

import mlflow
import pandas as pd

from hub.artifact import PARITY_SAMPLE
from hub.chatter import without_warnings
from hub.durability import explain
from hub.errors import HubError
from hub.identity import current_user
from hub.registry import ModelRegistry
from hub.registry.records import CHAMPION
from hub.settings import HubSettings
from hub.training.baseline import describe_training
from hub.training.card import write_card
from hub.training.dataset import write_parquet
from hub.training.flavors import log_model
from hub.training.pipelines import Pipeline, Say, load_pipeline
from hub.training.trained import Baseline, TrainedModel
from hub.translation import translated

_HELD_OUT = "held_out_rows"


def train_models(modules: Mapping[str, str], settings: HubSettings, say: Say, *, fast: bool) -> bool:
    """Trains models one after the other, and goes on where one fails; says what it did, and at last what failed.

    Args:
        modules: Modules of pipelines, by the names of the models.
        settings: Where data and the registry are.
        say: Takes progress lines.
        fast: As pipelines take it.

    Returns:
        Whether all have a new champion.
    """
    failed = []
    for model, module in modules.items():
        say(f"{model}:")
        reason = _try(model, module, settings, lambda line: say(f"  {line}"), fast=fast)
        if reason:
            failed.append(model)
            say(f"  failed: {reason}")
    told = f"; failed: {', '.join(failed)}" if failed else ""
    say(f"trained {len(modules) - len(failed)} of {len(modules)} models{told}")
    return not failed


def train_and_register(pipeline: Pipeline, settings: HubSettings, say: Say, *, fast: bool) -> None:
    """Runs a pipeline, keeps the histories of its features, and makes its model champion; says what it did.

    Raises:
        HubError: The data or the registry cannot be reached.
    """
    registry = ModelRegistry(settings.registry_uri)
    model = pipeline(settings.var / "data", say, fast=fast)
    scores = ", ".join(f"{key} {value:.4f}" for key, value in model.metrics.items() if key != _HELD_OUT)
    say(f"on {int(model.metrics[_HELD_OUT]):,} held-out rows: {scores}")
    for baseline in model.baselines:
        held_against = f"{model.metrics[baseline.metric]:.4f}, baseline {baseline.value:.4f} ({baseline.source})"
        say(f"{baseline.metric} {held_against}: {_verdict_on(baseline, model)}")
    write_histories(model.histories, settings.features, say)
    version = register(model, registry, settings.artifact_uri, fast=fast)
    say(f"registered {model.name} version {version} as champion; `gapura publish` puts it live")


def register(model: TrainedModel, registry: ModelRegistry, artifact_uri: str | None, *, fast: bool = False) -> int:
    """Logs and registers a model and makes it champion; returns its version.

    Args:
        model: What a pipeline returned.
        registry: Where it goes.
        artifact_uri: Where a new experiment keeps its artifacts; None leaves that to the registry's server.
        fast: Whether it was trained the fast way, which is noted.

    Raises:
        HubError: The registry refuses it or cannot be reached.
    """
    experiment = registry.open_experiment(model.name, artifact_uri)
    tags = {"team": model.team, "created_by": current_user(), "model_type": model.model_type}
    with translated(), without_warnings(), mlflow.start_run(experiment_id=experiment) as run:
        mlflow.set_tags(tags | {"data.source": f"{model.source.title}. {model.source.origin}"})
        mlflow.set_tags({"data.licence": model.source.licence, "training.profile": "fast" if fast else "full"})
        mlflow.log_params(dict(model.params))
        mlflow.log_metrics(dict(model.metrics))
        mlflow.log_metrics({f"baseline.{baseline.metric}": baseline.value for baseline in model.baselines})
        mlflow.set_tags({f"baseline.{each.metric}": _verdict_on(each, model) for each in model.baselines})
        _log_files(model, fast=fast)
        source = log_model(model)
    number = registry.register(model.name, source, run.info.run_id, tags)
    registry.set_alias(model.name, CHAMPION, number)
    return number


def _verdict_on(baseline: Baseline, model: TrainedModel) -> str:
    return "reached" if baseline.reached(model.metrics) else "NOT REACHED"


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


def _log_files(model: TrainedModel, *, fast: bool) -> None:
    """Writes what belongs beside the model: baseline, parity sample and card."""
    with tempfile.TemporaryDirectory(prefix="gapura-") as name:
        folder = Path(name)
        baseline = describe_training(model.features, model.training_scores)
        (folder / "quality_baseline.json").write_text(json.dumps(baseline, indent=2))
        (folder / "model_card.md").write_text(write_card(model, fast=fast))
        model.parity_sample.to_parquet(folder / PARITY_SAMPLE, index=False)
        mlflow.log_artifacts(str(folder))


def _try(model: str, module: str, settings: HubSettings, say: Say, *, fast: bool) -> str:
    """Trains one of several models; returns why it failed, or nothing."""
    try:
        train_and_register(load_pipeline(model, module), settings, say, fast=fast)
    except HubError as error:
        return str(error)
    except OSError as error:
        return explain(error)
    except Exception as error:  # noqa: BLE001 - the defect of one model is told, and does not keep others from training
        traceback.print_exc(file=sys.stderr)
        return f"{type(error).__name__}: {error}"
    return ""
