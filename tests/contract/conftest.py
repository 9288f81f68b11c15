"""A real Triton, and gateways over Triton and with the embedded backend, all over the same repository."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

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
    place = tmp_path_factory.mktemp("contract")
    catalog = write_repository(place / "repository")
    (place / "catalog.binpb").write_bytes(catalog.SerializeToString())
    return Published(place / "repository", place / "catalog.binpb")


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


@pytest.fixture(scope="session", params=GATEWAYS)
def served(request: pytest.FixtureRequest) -> Target:
    """Returns each gateway in turn."""
    found: Target = request.getfixturevalue({"embedded": "embedded", "over Triton": "over_triton"}[request.param])
    return found


def gateway(name: str, models: Published, place: Path, settings: Mapping[str, str]) -> Iterator[Target]:
    """Runs a gateway over the models, with a tenant and an operator."""
    environment = {
        **os.environ,
        **settings,
        "GAPURA_REPOSITORY": str(models.repository),
        "GAPURA_CATALOG": str(models.catalog),
        "GAPURA_TENANTS": str(place / "tenants.yaml"),
    }
    key, operator = add_tenant(environment, "contract", "*"), add_tenant(environment, "operators", "*", "--operator")
    with serve(environment) as (_, address), target(name, address, key, operator) as opened:
        yield opened
