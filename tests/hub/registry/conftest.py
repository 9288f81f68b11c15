"""One registry per kind of store, for all tests that ask for one."""

import itertools
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from hub.chatter import silence_mlflow
from hub.registry import ModelRegistry
from tests.hub.registry.mlflow_server import running_mlflow
from tests.hub.registry.object_store import BUCKET, running_object_store
from tests.hub.registry.postgres import running_postgres

# What lets MLflow's server call us back over plain HTTP on this machine, and at once after we asked it to.
_WEBHOOKS = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_CACHE_TTL": "0",
}
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Store:
    """Where a registry stands.

    Attributes:
        uri: Address of the registry.
        artifacts: Address for the artifacts of new experiments; None leaves that to the server.
        database: Address of the database, which is the registry's own where there is no server.
    """

    uri: str
    artifacts: str | None
    database: str


@pytest.fixture(scope="session")
def embedded(empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """SQLite, without a server."""
    folder = tmp_path_factory.mktemp("embedded")
    shutil.copy(empty_registry, folder / "mlflow.db")
    uri = f"sqlite:///{folder}/mlflow.db"
    return Store(uri, (folder / "artifacts").as_uri(), uri)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with running_postgres() as uri:
        yield uri


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Its variables stand in the environment, where MLflow looks for them."""
    with running_object_store(tmp_path_factory.mktemp("s3")) as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield variables


@pytest.fixture(scope="session")
def database(postgres: str, object_store: Mapping[str, str]) -> Store:  # noqa: ARG001 - it has to run
    """PostgreSQL and S3, without a server."""
    silence_mlflow()
    uri = _create_database(postgres, "direct")
    return Store(uri, f"s3://{BUCKET}/direct", uri)


@pytest.fixture(scope="session")
def server(postgres: str, object_store: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """MLflow's server over PostgreSQL and S3, as beyond one machine; it alone knows of them."""
    database, folder = _create_database(postgres, "server"), tmp_path_factory.mktemp("server")
    with running_mlflow(folder, database, f"s3://{BUCKET}/server", {**object_store, **_WEBHOOKS}) as uri:
        yield Store(uri, None, database)


@pytest.fixture(scope="session", params=["embedded", "database", "server"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def registry(store: Store) -> ModelRegistry:
    return ModelRegistry(store.uri)


@pytest.fixture
def team() -> str:
    """A team that nothing was registered for yet."""
    return f"team{next(_numbers)}"


def _create_database(uri: str, name: str) -> str:
    url = make_url(uri)
    with psycopg.connect(url.set(drivername="postgresql").render_as_string(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return url.set(database=name).render_as_string()
