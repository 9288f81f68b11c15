"""Turns MLflow's errors into ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException

from hub.errors import HubError


@contextmanager
def translated() -> Iterator[None]:
    """Translates what is raised inside.

    Raises:
        HubError: The registry refused or did not answer.
    """
    try:
        yield
    except MlflowException as error:
        reason = str(error).partition("\n")[0]  # the rest is the statement of a database
        raise HubError(f"the MLflow registry refused or did not answer: {reason}; check GAPURA_MLFLOW_URI") from error
