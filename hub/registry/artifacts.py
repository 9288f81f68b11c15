"""Fetches what a team logged: a version's artifacts, and files of the run that trained it."""

from pathlib import Path
from typing import Protocol

import mlflow

from hub.errors import ModelRefusedError


class Target(Protocol):
    """A version whose files are wanted."""

    @property
    def model_uri(self) -> str:
        """Address of the version, `models:/<name>/<number>`."""
        ...

    @property
    def run_id(self) -> str:
        """Run that trained it; empty where there is none."""
        ...


def download_model(target: Target, folder: Path) -> Path:
    """Copies a version's artifacts into an empty folder.

    Raises:
        ModelRefusedError: They are not where the registry says.
    """
    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=target.model_uri, dst_path=str(folder)))
    except Exception as error:  # every kind of storage has errors of its own
        raise ModelRefusedError(f"the artifacts of {target.model_uri} cannot be fetched: {error}") from error


def download_from_run(client: mlflow.MlflowClient, target: Target, name: str, folder: Path) -> Path:
    """Copies one artifact of the run that trained a version.

    Raises:
        ModelRefusedError: The run has no such artifact.
    """
    try:
        return Path(client.download_artifacts(target.run_id, name, str(folder)))
    except Exception as error:  # as above
        raise ModelRefusedError(f"run {target.run_id or '(none)'} has no artifact {name}: log it there") from error
