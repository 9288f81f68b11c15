"""What the tour stores of its models' customers: once, and again where it is gone or too old."""

import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from pydantic import SecretStr

from hub.features.workbench import open_store
from hub.quickstart.models import MODELS, history_of, train_missing
from hub.quickstart.views import fill
from hub.registry import ModelRegistry
from hub.settings import HubSettings
from hub.training.applicants import FEATURES, ID, customer_rows
from tests.catalog.valkey import running
from tests.conftest import Published

CREDIT = MODELS[0]
(VIEW,) = CREDIT.views
DAY_SECONDS = 86_400
MADE_AGAIN = "the registry has a champion; the histories of its views are made again"


@pytest.fixture
def settings(published: Published, tmp_path: Path) -> HubSettings:
    """A place of its own with data to train on, and a registry with a champion."""
    shutil.copytree(published.var / "data", tmp_path / "data")
    return HubSettings(var=tmp_path, mlflow_uri=published.mlflow_uri, catalog=tmp_path / "catalog.binpb")


def write_history(settings: HubSettings, customers: int) -> None:
    applicants = pd.DataFrame({name: [1.0] * customers for name in FEATURES}).assign(**{ID: range(customers)})
    history_of(VIEW, settings).parent.mkdir(exist_ok=True)
    customer_rows(applicants, datetime.now(UTC)).to_parquet(history_of(VIEW, settings), index=False)


def look_again(settings: HubSettings) -> str:
    """Returns the first thing that is said of the credit model's training."""
    said: list[str] = []
    train_missing(CREDIT, settings, said.append)
    return said[0]


def test_what_a_champion_from_elsewhere_left_behind_is_made_again_and_nothing_registered(settings: HubSettings) -> None:
    registry = ModelRegistry(settings.registry_uri)
    before = registry.models()
    assert look_again(settings) == MADE_AGAIN
    assert len(pd.read_parquet(history_of(VIEW, settings))) == 150_000
    assert look_again(settings) == "nothing to do: the registry has a champion"
    assert registry.models() == before


@pytest.mark.parametrize(("days", "said"), [(30, "nothing to do: the registry has a champion"), (32, MADE_AGAIN)])
def test_rows_that_would_be_stale_are_made_again(settings: HubSettings, days: int, said: str) -> None:
    write_history(settings, 1)
    written = time.time() - days * DAY_SECONDS
    os.utime(history_of(VIEW, settings), (written, written))
    assert look_again(settings) == said


def test_a_view_is_filled_once_and_again_when_its_history_is_new(settings: HubSettings) -> None:
    said: list[str] = []
    with running() as valkey:
        stored = settings.model_copy(update={"features_url": SecretStr(valkey.url())})
        write_history(stored, customers=2)
        fill(VIEW, stored, said.append)
        fill(VIEW, stored, said.append)
        write_history(stored, customers=3)
        fill(VIEW, stored, said.append)
        live = open_store(stored, VIEW).state().live
    assert live is not None
    assert live.entities == 3
    first, second, third = said
    assert first.startswith("customer_credit: 2 entities live in ")
    assert second == "customer_credit: nothing to do, 2 entities are live"
    assert third.startswith("customer_credit: 3 entities live in ")
