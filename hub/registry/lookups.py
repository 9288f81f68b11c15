"""Looks up one model or one version; what is missing is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import mlflow
from mlflow.exceptions import MlflowException

from hub.errors import NotRegisteredError
from hub.registry.names import team_of
from hub.registry.records import RegisteredVersion
from hub.registry.survey import compose_version
from hub.translation import translated

if TYPE_CHECKING:
    from mlflow.entities import model_registry

_MISSING = "RESOURCE_DOES_NOT_EXIST"


def find_model(client: mlflow.MlflowClient, name: str) -> "model_registry.RegisteredModel":
    """Returns a registered model.

    Raises:
        NotRegisteredError: There is none.
        HubError: The registry refused.
    """
    with translated(), naming(f"no model {name} is registered: check the name"):
        return client.get_registered_model(name)


def find_version(client: mlflow.MlflowClient, name: str, number: int) -> RegisteredVersion:
    """Returns a version of a registered model.

    Raises:
        NotRegisteredError: There is none.
        HubError: The registry refused.
    """
    team = team_of(name, find_model(client, name).tags)
    with translated(), naming(missing_version(name, number)):
        return compose_version(client.get_model_version(name, str(number)), team)


def missing_version(name: str, number: int) -> str:
    """Returns what is said where a model has no such version."""
    return f"{name} has no version {number}: register it, or choose another"


@contextmanager
def naming(message: str) -> Iterator[None]:
    """Says what is missing in our words.

    Raises:
        NotRegisteredError: It is missing.
    """
    try:
        yield
    except MlflowException as error:
        if error.error_code != _MISSING:
            raise
        raise NotRegisteredError(message) from error
