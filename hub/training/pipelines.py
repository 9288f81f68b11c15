"""The models that can be trained here, by the name that `gapura train` takes."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from hub.errors import HubError

if TYPE_CHECKING:
    from hub.training.trained import TrainedModel

Say = Callable[[str], None]
Pipeline = Callable[[Path, Say], "TrainedModel"]

# Imported when first used: a wrong name should not cost the seconds that training libraries take.
PIPELINES = {
    "team3/credit_scoring": "hub.training.credit_scoring",
    "team3/fraud_detection": "hub.training.fraud_detection",
}


def find_pipeline(name: str) -> Pipeline:
    """Returns the function that trains a model: it takes the folder for data and a sink for progress lines.

    Raises:
        HubError: There is no such model.
    """
    if name not in PIPELINES:
        raise HubError(f"nothing trains {name!r}; known: {', '.join(sorted(PIPELINES))}")
    pipeline: Pipeline = import_module(PIPELINES[name]).train
    return pipeline
