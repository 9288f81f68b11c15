"""A registry with a champion that was trained on the real data, published; and an empty one for everything else."""

import shutil
from pathlib import Path

import pytest

from hub.chatter import silence_mlflow
from tests.hub.experimenting import challenge, point_settings
from tests.hub.workplace import Workplace

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with MLflow's tables: making them takes seconds, a copy takes none."""
    silence_mlflow()
    workplace = Workplace(tmp_path_factory.mktemp("empty"))
    workplace.open_registry()
    return workplace.database


@pytest.fixture
def workplace(empty_registry: Path, tmp_path: Path) -> Workplace:
    """A registry, a repository and a catalog with nothing in them."""
    place = Workplace(tmp_path)
    shutil.copy(empty_registry, place.database)
    return place


@pytest.fixture(scope="session")
def challenged(empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A model with a champion and a challenger that are live; tests work in copies."""
    place = Workplace(tmp_path_factory.mktemp("challenged"))
    shutil.copy(empty_registry, place.database)
    challenge(place, "challenger")
    return place


@pytest.fixture
def live(challenged: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """Version 1 of a model is champion, version 2 challenger; commands work there."""
    place = Workplace(tmp_path, challenged.conversions)
    shutil.copy(challenged.database, place.database)
    shutil.copytree(challenged.repository, place.repository)
    place.catalog_file.parent.mkdir()
    shutil.copy(challenged.catalog_file, place.catalog_file)
    point_settings(place, monkeypatch)
    return place
