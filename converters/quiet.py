"""Keeps what foreign libraries say to their own developers away from the people who convert models."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_ENVIRONMENT = {
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # which says so, and changes the order of sums
    "CUDA_VISIBLE_DEVICES": "-1",  # models are proven on the CPU, where looking for others takes seconds
}
_LOGGERS = ("absl", "alembic", "mlflow", "onnxscript", "skl2onnx", "tensorflow", "tf2onnx", "torch")


@contextmanager
def quietly() -> Iterator[None]:
    """Ignores warnings and low log levels of foreign libraries; their errors are raised as ever.

    What the user has set in the environment stays.
    """
    added = [name for name in _ENVIRONMENT if name not in os.environ]
    os.environ.update({name: _ENVIRONMENT[name] for name in added})
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for name in added:
            del os.environ[name]
