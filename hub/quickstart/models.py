"""The models of the tour: trains those without a champion, and makes again what training leaves behind if need be."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hub.features.declared import find_declaration
from hub.features.workbench import declarations
from hub.quickstart.steps import Say
from hub.registry import ModelRegistry
from hub.registry.records import CHAMPION
from hub.settings import HubSettings
from hub.training.pipelines import find_pipeline
from hub.training.run import train_and_register, write_histories


@dataclass(frozen=True, slots=True)
class TourModel:
    """A model that the tour calls.

    Attributes:
        pipeline: What trains it, as `gapura train` calls it.
        service: Full name of the service that it answers.
        views: Feature views that it looks up.
    """

    pipeline: str
    service: str
    views: tuple[str, ...] = ()

    @property
    def team(self) -> str:
        """The team that owns it."""
        return self.pipeline.partition("/")[0]

    @property
    def name(self) -> str:
        """Name in the registry."""
        return self.pipeline.replace("/", "_")


CREDIT = TourModel("team3/credit_scoring", "erpml.finance.v1.CreditService", ("customer_credit",))
FRAUD = TourModel("team3/fraud_detection", "erpml.finance.v1.FraudService", ("customer_fraud", "merchant_fraud"))
MODELS = (
    CREDIT,
    FRAUD,
    TourModel(
        "team1/product_recommendation",
        "erpml.sales_mobile.v1.RecommendationService",
        ("customer_taste", "location_taste", "product_profile"),
    ),
    TourModel("team2/demand_forecasting", "erpml.logistics.v1.DemandService", ("product_demand",)),
    TourModel("team4/dynamic_pricing", "erpml.online_sales.v1.PricingService", ("product_pricing",)),
    TourModel("team6/sentiment_analysis", "erpml.crm.v1.SentimentService"),
)
TEAMS = tuple(dict.fromkeys(model.team for model in MODELS))


def models_of(teams: Collection[str]) -> tuple[TourModel, ...]:
    """Returns the models of these teams, or of all where none is named."""
    return tuple(model for model in MODELS if not teams or model.team in teams)


def train_missing(model: TourModel, settings: HubSettings, say: Say) -> None:
    """Makes sure of a champion, of the rows held out of its training, and of the histories of its views.

    A champion may have been trained elsewhere, or by a release that kept no histories: then training runs for what it
    leaves behind, and registers nothing.

    Raises:
        HubError: The data or the registry cannot be reached.
    """
    registered = ModelRegistry(settings.registry_uri).models().get(model.name)
    if registered is None or CHAMPION not in registered.versions:
        train_and_register(find_pipeline(model.pipeline), settings, say, fast=True)
    elif _held_out(model, settings).exists() and all(_is_current(view, settings) for view in model.views):
        say("nothing to do: the registry has a champion")
    else:
        say("the registry has a champion; the histories of its views are made again")
        trained = find_pipeline(model.pipeline)(settings.var / "data", say, fast=True)
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
