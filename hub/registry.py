"""MLflow, the system of record: registered models, their versions, aliases and tags."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
from mlflow.exceptions import MlflowException

from hub.champion import ALIAS, Champion
from hub.chatter import without_warnings
from hub.errors import HubError, ModelRefusedError
from hub.settings import SQLITE

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel


class ModelRegistry:
    """An MLflow registry. It becomes the process's own: fluent MLflow calls go there too."""

    def __init__(self, uri: str) -> None:
        """Opens the registry; an empty SQLite file becomes one.

        Raises:
            HubError: The registry cannot be reached or read.
        """
        require_database(uri)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        with translated(), without_warnings():
            self._client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
            self._client.search_experiments(max_results=1)

    def open_experiment(self, name: str, artifact_uri: str | None) -> str:
        """Returns the experiment's id; creates it where it is missing.

        Args:
            name: Name of the experiment.
            artifact_uri: Where its runs keep artifacts; None leaves that to the server.
        """
        with translated():
            experiment = self._client.get_experiment_by_name(name)
            if experiment is not None:
                return str(experiment.experiment_id)
            return str(self._client.create_experiment(name, artifact_location=artifact_uri))

    def register(self, name: str, source: str, run_id: str, tags: Mapping[str, str]) -> int:
        """Adds a version to a model, which is registered where it is new; returns its number."""
        with translated():
            if not self._client.search_registered_models(f"name = '{name}'"):
                self._client.create_registered_model(name)
            for key, value in tags.items():
                self._client.set_registered_model_tag(name, key, value)
            version = self._client.create_model_version(name, source, run_id, tags=dict(tags))
        return int(version.version)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Points an alias at a version."""
        with translated():
            self._client.set_registered_model_alias(name, alias, str(version))

    def champions(self) -> dict[str, Champion | None]:
        """Returns every registered model by name, with its champion or None where the alias is not set."""
        with translated():
            return {model.name: self._champion_of(model) for model in self._registered()}

    def write_tags(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        """Sets tags of a version; those that already have their value are not written."""
        with translated():
            known = self._client.get_model_version(name, str(version)).tags
            for key, value in tags.items():
                if known.get(key) != value:
                    self._client.set_model_version_tag(name, str(version), key, value)

    def versions_with_tag(self, name: str, key: str, value: str) -> list[int]:
        """Returns the numbers of a model's versions that carry a tag."""
        with translated():
            versions = self._client.search_model_versions(f"name = '{name}' AND tags.`{key}` = '{value}'")
            return [int(version.version) for version in versions]

    def download_model(self, champion: Champion, folder: Path) -> Path:
        """Copies a version's artifacts into an empty folder.

        Raises:
            ModelRefusedError: They are not where the registry says.
        """
        try:
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=champion.model_uri, dst_path=str(folder)))
        except (MlflowException, OSError) as error:
            raise ModelRefusedError(f"the artifacts of {champion.model_uri} cannot be fetched: {error}") from error

    def download_from_run(self, champion: Champion, name: str, folder: Path) -> Path:
        """Copies one artifact of the run that trained a version.

        Raises:
            ModelRefusedError: The run has no such artifact.
        """
        try:
            return Path(self._client.download_artifacts(champion.run_id, name, str(folder)))
        except (MlflowException, OSError) as error:
            raise ModelRefusedError(
                f"run {champion.run_id or '(none)'} has no artifact {name}: log it there"
            ) from error

    def _registered(self) -> Iterator["RegisteredModel"]:
        token: str | None = None
        while True:
            page = self._client.search_registered_models(page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _champion_of(self, model: "RegisteredModel") -> Champion | None:
        if ALIAS not in model.aliases:
            return None
        number = str(model.aliases[ALIAS])
        version: ModelVersion = self._client.get_model_version(model.name, number)
        return Champion(
            name=model.name,
            team=model.tags.get("team") or model.name.partition("_")[0],
            version=int(number),
            run_id=version.run_id or "",
            model_uri=f"models:/{model.name}/{number}",
            source=version.source or "",
            tags=dict(model.tags),
        )


def require_database(uri: str) -> None:
    """Makes sure that a SQLite registry can be opened: MLflow would try again for minutes, in silence.

    Raises:
        HubError: It is no database, or cannot be opened for writing.
    """
    if not uri.startswith(SQLITE):
        return
    path = uri.removeprefix(SQLITE)
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as error:
        raise HubError(f"the registry {path} cannot be opened: {error}; check GAPURA_MLFLOW_URI") from error


@contextmanager
def translated() -> Iterator[None]:
    """Turns MLflow's errors into ours.

    Raises:
        HubError: The registry refused or did not answer.
    """
    try:
        yield
    except MlflowException as error:
        raise HubError(f"the MLflow registry refused or did not answer: {error}; check GAPURA_MLFLOW_URI") from error
