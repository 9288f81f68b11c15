"""The models that can be trained here, by the name that `gapura train` takes."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hub.errors import HubError

if TYPE_CHECKING:
    from hub.training.trained import TrainedModel

Say = Callable[[str], None]

ALL = "all"

# Imported when first used: a wrong name should not cost the seconds that training libraries take.
PIPELINES = {
    "team1/product_recommendation": "hub.training.product_recommendation",
    "team2/demand_forecasting": "hub.training.demand_forecasting",
    "team3/credit_scoring": "hub.training.credit_scoring",
    "team3/fraud_detection": "hub.training.fraud_detection",
    "team4/dynamic_pricing": "hub.training.dynamic_pricing",
    "team6/sentiment_analysis": "hub.training.sentiment_analysis",
}
_OWN = ("converters", "hub")
_EXTRAS = {
    "catboost": "boosting",
    "keras": "tensorflow",
    "lightgbm": "boosting",
    "onnxmltools": "boosting",
    "tensorflow": "tensorflow",
    "tf2onnx": "tensorflow",
    "torch": "torch",
    "xgboost": "boosting",
}


class Pipeline(Protocol):
    """Trains a model."""

    def __call__(self, folder: Path, say: Say, *, fast: bool) -> "TrainedModel":
        """Reads the data, trains, and measures on rows that training never sees.

        Args:
            folder: Where data is kept.
            say: Takes progress lines.
            fast: Whether to train on fewer rows or for fewer rounds, which takes seconds and costs quality. The rows
                held out are the same.

        Raises:
            HubError: The data has to be downloaded and cannot be.
        """


def choose_models(name: str) -> Mapping[str, str]:
    """Returns the modules of the models that are meant: all, those of a team, or one; by the names of the models.

    Raises:
        HubError: There are none.
    """
    chosen = {model: module for model, module in PIPELINES.items() if name in {ALL, _team_of(model), model}}
    if not chosen:
        teams = dict.fromkeys(map(_team_of, PIPELINES))
        raise HubError(f"nothing trains {name!r}; known: {', '.join([ALL, *teams, *PIPELINES])}")
    return chosen


def find_pipeline(model: str) -> Pipeline:
    """Returns the function that trains a model.

    Raises:
        HubError: A library that it trains with is not installed.
    """
    return load_pipeline(model, PIPELINES[model])


def load_pipeline(model: str, module: str) -> Pipeline:
    """Returns the function that trains a model.

    Args:
        model: Name of the model.
        module: Where the function is.

    Raises:
        HubError: A library that it trains with is not installed.
    """
    try:
        pipeline: Pipeline = import_module(module).train
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in _OWN:
            raise
        extra = _EXTRAS.get(library, "train")
        raise HubError(f"{model} needs {error.name}, which is not installed: pip install 'gapura[{extra}]'") from error
    return pipeline


def _team_of(model: str) -> str:
    return model.partition("/")[0]
