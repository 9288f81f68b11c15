"""A real Triton, and gateways over Triton and with the embedded backend, all over the same repository."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2

from tests.contract.python_models import write_python_models
from tests.contract.repository import write_repository
from tests.contract.targets import Target, target
from tests.e2e.serving import add_tenant, serve
from tests.triton.nodes import running_node

GATEWAYS = ("embedded", "over Triton")


@dataclass(frozen=True, slots=True)
class Published:
    """What the suite serves: a folder in Triton's layout, and the catalog's file."""

    repository: Path
    catalog: Path


@pytest.fixture(scope="session")
def contract_models(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Writes the models once."""
    return published(tmp_path_factory.mktemp("contract"), write_repository)


@pytest.fixture(scope="session")
def direct(contract_models: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Runs tritonserver."""
    folder = tmp_path_factory.mktemp("direct")
    with (
        running_node(contract_models.repository, folder) as node,
        target("direct", node.address) as opened,
    ):
        yield opened


@pytest.fixture(scope="session")
def embedded(contract_models: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Runs a gateway with the embedded backend."""
    yield from gateway("embedded", contract_models, tmp_path_factory.mktemp("embedded"), {})


@pytest.fixture(scope="session")
def over_triton(contract_models: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Runs a gateway over a node of its own."""
    folder = tmp_path_factory.mktemp("over_triton")
    with running_node(contract_models.repository, folder / "node") as node:
        settings = {"GAPURA_BACKEND": "triton", "GAPURA_NODES": node.address}
        yield from gateway("over Triton", contract_models, folder, settings)


@pytest.fixture(scope="session")
def python_models(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Writes the models of Triton's python backend once."""
    return published(tmp_path_factory.mktemp("python_models"), write_python_models)


@pytest.fixture(scope="session")
def python_direct(python_models: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Runs tritonserver with them."""
    folder = tmp_path_factory.mktemp("python_direct")
    with running_node(python_models.repository, folder) as node, target("direct", node.address) as opened:
        yield opened


@pytest.fixture(scope="session")
def python_over_triton(python_models: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Runs a gateway over two nodes that serve them."""
    folder = tmp_path_factory.mktemp("python_over_triton")
    with (
        running_node(python_models.repository, folder / "one") as one,
        running_node(python_models.repository, folder / "two") as two,
    ):
        settings = {"GAPURA_BACKEND": "triton", "GAPURA_NODES": f"{one.address},{two.address}"}
        yield from gateway("over Triton", python_models, folder, settings)


@pytest.fixture(scope="session", params=GATEWAYS)
def served(request: pytest.FixtureRequest) -> Target:
    """Returns each gateway in turn."""
    found: Target = request.getfixturevalue({"embedded": "embedded", "over Triton": "over_triton"}[request.param])
    return found


def published(place: Path, write: Callable[[Path], catalog_pb2.Catalog]) -> Published:
    """Writes models and their catalog to a folder."""
    catalog = write(place / "repository")
    (place / "catalog.binpb").write_bytes(catalog.SerializeToString())
    return Published(place / "repository", place / "catalog.binpb")


def gateway(name: str, models: Published, place: Path, settings: Mapping[str, str]) -> Iterator[Target]:
    """Runs a gateway over the models, with a tenant and an operator."""
    environment = {
        **os.environ,
        **settings,
        "GAPURA_REPOSITORY": str(models.repository),
        "GAPURA_CATALOG": str(models.catalog),
        "GAPURA_TENANTS": str(place / "tenants.yaml"),
        "GAPURA_USAGE": str(place / "usage"),
    }
    key, operator = add_tenant(environment, "contract", "*"), add_tenant(environment, "operators", "*", "--operator")
    with serve(environment) as (_, address), target(name, address, key, operator) as opened:
        yield opened
