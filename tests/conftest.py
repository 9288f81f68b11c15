"""The credit model, trained on the real data and published, once for all tests that need it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]


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


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Trains and publishes once, by the real commands; a wheel that was downloaded before is used again."""
    var = tmp_path_factory.mktemp("var")
    (var / "data").mkdir()
    for wheel in (ROOT / "var/data").glob("*.whl"):
        shutil.copy(wheel, var / "data")
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
    for command in (["train", "team3/credit_scoring"], ["publish"]):
        subprocess.run([sys.executable, "-m", "gateway", *command], env=environment, check=True)
    held_out = var / "data/credit_scoring/held_out.parquet"
    return Published(var, repository, catalog, mlflow_uri, held_out, environment)
