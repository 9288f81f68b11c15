"""MLflow, the system of record: registered models, their versions, aliases and tags, and the history of all changes."""

from collections.abc import Mapping
from pathlib import Path

from mlflow.exceptions import MlflowException

from hub.errors import HubError
from hub.history import Change, History
from hub.history.change import REGISTERED
from hub.identity import current_user
from hub.registry import artifacts
from hub.registry.aliases import require_alias
from hub.registry.artifacts import Target
from hub.registry.connection import open_client
from hub.registry.lookups import find_model, find_version, missing_version, naming
from hub.registry.moves import Author, Moves
from hub.registry.names import compose_name
from hub.registry.records import CHAMPION, RegisteredModel, RegisteredVersion
from hub.registry.survey import read_models
from hub.registry.tags import OVERRIDE
from hub.registry.weights import format_weight
from hub.translation import translated

_EXISTS = "RESOURCE_ALREADY_EXISTS"


class ModelRegistry:
    """An MLflow registry. It becomes the process's own: fluent MLflow calls go there too.

    Attributes:
        history: All changes that were made here, or by others and seen.
    """

    def __init__(self, uri: str) -> None:
        """Opens the registry; an empty SQLite file becomes one.

        Raises:
            HubError: The registry cannot be reached or read.
        """
        self._client = open_client(uri)
        self.history = History(self._client)

    def models(self) -> dict[str, RegisteredModel]:
        """Returns every registered model by name."""
        with translated():
            return read_models(self._client)

    def get_model_for_team(self, team: str, model: str, alias: str = CHAMPION) -> RegisteredVersion:
        """Returns the version of a team's model that an alias points at.

        Raises:
            HubError: There is no such model, or the alias is not set.
        """
        name = compose_name(team, model)
        require_alias(alias)
        found = find_model(self._client, name)
        if alias not in found.aliases:
            raise HubError(f"{name} has no {alias}: `gapura promote {team}/{model} VERSION --alias {alias}` sets it")
        return find_version(self._client, name, int(found.aliases[alias]))

    def register_model(  # noqa: PLR0913 - all but the first four by name
        self,
        team: str,
        model: str,
        source: str,
        run_id: str,
        *,
        tags: Mapping[str, str] | None = None,
        by: str | None = None,
        reason: str = "",
    ) -> RegisteredVersion:
        """Adds a version to a team's model, which is registered where it is new.

        Args:
            team: Owner of the model, such as `team3`.
            model: Name of the model without its team, such as `credit_scoring`.
            source: Address of the artifacts, such as `runs:/<run>/model`.
            run_id: Run that trained it.
            tags: Tags of the version and the model besides `team` and `created_by`.
            by: Who registers it; the user of this process where it is not said.
            reason: Why.

        Raises:
            HubError: The name is none, or the registry refused.
        """
        name, who = compose_name(team, model), by or current_user()
        every = {"team": team, "created_by": who} | dict(tags or {})
        return find_version(self._client, name, self.register(name, source, run_id, every, Author(who, reason)))

    def deploy_model(  # noqa: PLR0913 - as above, all but the first three
        self,
        team: str,
        model: str,
        version: int,
        *,
        alias: str = CHAMPION,
        weight: float | None = None,
        by: str | None = None,
        reason: str = "",
        override: str | None = None,
    ) -> RegisteredVersion:
        """Points an alias at a version, which the publisher then puts live.

        Args:
            team: Owner of the model.
            model: Name of the model without its team.
            version: Number of the version.
            alias: One that is served.
            weight: Percentage of the traffic for the alias, in steps of 0.01; None leaves it as it is.
            by: Who does it; the user of this process where it is not said.
            reason: Why.
            override: Why it may go live in a freeze window; None takes an earlier permission back.

        Raises:
            HubError: There is no such version, alias or weight, or the registry refused.
        """
        name = compose_name(team, model)
        author = Author(by or current_user(), reason, {"override": override} if override else {})
        require_alias(alias)
        percent = None if weight is None else format_weight(weight)
        find_version(self._client, name, version)
        self.write_tags(name, version, {OVERRIDE: override})
        if percent is not None:
            self._moves(name).weigh(alias, percent, author)
        self._moves(name).point(alias, version, author)
        return find_version(self._client, name, version)

    def remove_alias(self, team: str, model: str, alias: str, *, by: str | None = None, reason: str = "") -> None:
        """Takes an alias away, and its weight with it.

        Raises:
            HubError: It is not set, or the registry refused.
        """
        name, author = self.get_model_for_team(team, model, alias).name, Author(by or current_user(), reason)
        self._moves(name).point(alias, None, author)
        self._moves(name).weigh(alias, "", author)

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

    def register(
        self, name: str, source: str, run_id: str, tags: Mapping[str, str], author: Author | None = None
    ) -> int:
        """Adds a version to a model, which is registered where it is new; returns its number."""
        with translated():
            self._create_model(name)
            for key, value in tags.items():
                self._client.set_registered_model_tag(name, key, value)
            version = self._client.create_model_version(name, source, run_id, tags=dict(tags))
        number = int(version.version)
        who = author or Author(current_user(), "")
        details = {"run": run_id, **who.details}
        self.history.append(Change(name, REGISTERED, version=number, by=who.by, reason=who.reason, details=details))
        return number

    def set_alias(self, name: str, alias: str, version: int, *, by: str | None = None, reason: str = "") -> None:
        """Points an alias at a version."""
        self._moves(name).point(alias, version, Author(by or current_user(), reason))

    def write_tags(self, name: str, version: int, tags: Mapping[str, str | None]) -> None:
        """Sets tags of a version, and removes those that are None; those that are so already are not written.

        Raises:
            NotRegisteredError: There is no such version.
            HubError: The registry refused.
        """
        number = str(version)
        with translated(), naming(missing_version(name, version)):
            known = self._client.get_model_version(name, number).tags
            for key, value in tags.items():
                if value is None and key in known:
                    self._client.delete_model_version_tag(name, number, key)
                elif value is not None and known.get(key) != value:
                    self._client.set_model_version_tag(name, number, key, value)

    def write_model_tags(self, name: str, tags: Mapping[str, str | None]) -> None:
        """Sets tags of a registered model, in their order, and removes those that are None; what is so already stays.

        Raises:
            NotRegisteredError: There is no such model.
            HubError: The registry refused.
        """
        known = find_model(self._client, name).tags
        with translated():
            for key, value in tags.items():
                if value is None and key in known:
                    self._client.delete_registered_model_tag(name, key)
                elif value is not None and known.get(key) != value:
                    self._client.set_registered_model_tag(name, key, value)

    def read_model_tags(self, name: str) -> dict[str, str]:
        """Returns the tags of a registered model.

        Raises:
            NotRegisteredError: There is no such model.
            HubError: The registry refused.
        """
        return dict(find_model(self._client, name).tags)

    def weigh(self, name: str, alias: str, percent: str, author: Author) -> None:
        """Writes the weight of an alias among all calls of a model; an empty one is removed.

        Raises:
            HubError: There is no such model, or the registry refused.
        """
        self._moves(name).weigh(alias, percent, author)

    def download_model(self, target: Target, folder: Path) -> Path:
        """Copies a version's artifacts into an empty folder.

        Raises:
            ModelRefusedError: They are not where the registry says.
        """
        return artifacts.download_model(target, folder)

    def download_from_run(self, target: Target, name: str, folder: Path) -> Path:
        """Copies one artifact of the run that trained a version.

        Raises:
            ModelRefusedError: The run has no such artifact.
        """
        return artifacts.download_from_run(self._client, target, name, folder)

    def _create_model(self, name: str) -> None:
        """Registers a model, unless it is; also where somebody else does so at the same moment."""
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != _EXISTS:
                raise

    def _moves(self, name: str) -> Moves:
        return Moves(self._client, self.history, name)
