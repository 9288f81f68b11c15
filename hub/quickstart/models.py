"""The models of the tour: trains those without a champion, and makes again what training leaves behind if need be."""

import time
from dataclasses import dataclass
from pathlib import Path

from hub.features.declared import find_declaration
from hub.features.workbench import declarations
from hub.quickstart.steps import Say
from hub.registry import ModelRegistry
from hub.registry.records import CHAMPION
from hub.settings import HubSettings
from hub.training import credit_scoring, fraud_detection
from hub.training.pipelines import find_pipeline
from hub.training.run import train_and_register, write_histories
from hub.training.transaction_history import CUSTOMERS, MERCHANTS


@dataclass(frozen=True, slots=True)
class TourModel:
    """A model that the tour calls.

    Attributes:
        pipeline: What trains it, as `gapura train` calls it.
        name: Name in the registry.
        views: Feature views that it looks up.
    """

    pipeline: str
    name: str
    views: tuple[str, ...]


MODELS = (
    TourModel("team3/credit_scoring", credit_scoring.MODEL, (credit_scoring.VIEW,)),
    TourModel("team3/fraud_detection", fraud_detection.MODEL, (CUSTOMERS.view, MERCHANTS.view)),
)


def train_missing(model: TourModel, settings: HubSettings, say: Say) -> None:
    """Makes sure of a champion, of the rows held out of its training, and of the histories of its views.

    A champion may have been trained elsewhere, or by a release that kept no histories: then training runs for what it
    leaves behind, and registers nothing.

    Raises:
        HubError: The data or the registry cannot be reached.
    """
    registered = ModelRegistry(settings.registry_uri).models().get(model.name)
    if registered is None or CHAMPION not in registered.versions:
        train_and_register(find_pipeline(model.pipeline), settings, say)
    elif _held_out(model, settings).exists() and all(_is_current(view, settings) for view in model.views):
        say("nothing to do: the registry has a champion")
    else:
        say("the registry has a champion; the histories of its views are made again")
        trained = find_pipeline(model.pipeline)(settings.var / "data", say)
        write_histories(trained.histories, settings.features, say)


def history_of(view: str, settings: HubSettings) -> Path:
    """Returns the file that a view is filled from."""
    return settings.features / f"{view}.parquet"


def _held_out(model: TourModel, settings: HubSettings) -> Path:
    _, name = model.pipeline.split("/")
    return settings.var / "data" / name / "held_out.parquet"


def _is_current(view: str, settings: HubSettings) -> bool:
    """Whether the history of a view is there, and was written so lately that its rows are still fresh."""
    history = history_of(view, settings)
    fresh_seconds = find_declaration(declarations(settings), view).freshness / 1_000
    return history.exists() and time.time() - history.stat().st_mtime < fresh_seconds
