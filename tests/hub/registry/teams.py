"""Teams that register a model, with or without artifacts."""

from pathlib import Path

import mlflow

from hub.registry import ModelRegistry
from tests.hub.registry.conftest import Store


def register(registry: ModelRegistry, team: str, versions: int = 1) -> None:
    """Registers versions of a team's model `churn` that have no artifacts."""
    for number in range(versions):
        registry.register_model(team, "churn", f"s3://elsewhere/{number}", "", by="alice")


def log_model(registry: ModelRegistry, team: str, store: Store, folder: Path) -> str:
    """Logs files in a run, and registers a folder of them as the team's model `churn`; returns the id of the run."""
    (folder / "logged/model").mkdir(parents=True)
    (folder / "logged/model/weights.bin").write_bytes(bytes(range(256)) * 1000)
    (folder / "logged/card.md").write_text("# Übung\n")
    experiment = registry.open_experiment(team, store.artifacts)
    client = mlflow.MlflowClient()
    run_id = str(client.create_run(experiment).info.run_id)
    client.log_artifacts(run_id, str(folder / "logged"))
    registry.register_model(team, "churn", f"runs:/{run_id}/model", run_id, by="alice")
    return run_id
