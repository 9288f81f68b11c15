"""Keeps what MLflow says to its own developers away from the people who run our commands."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_ENVIRONMENT = {
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_LOGGERS = ("alembic", "mlflow")


def silence_mlflow() -> None:
    """Call before MLflow is imported; what the user has set in the environment stays."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is raised as well


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignores deprecations, and whatever MLflow warns itself of: its own releases resolve both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"mlflow\.")
        yield
