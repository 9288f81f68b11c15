"""A new version goes live on two nodes while 64 callers call: nobody notices but by the version in the answer."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, time

import mlflow
from erpml.catalog.v1 import catalog_pb2
from tritonclient.grpc import service_pb2

from benchmarks.steady_load import SteadyLoad
from tests.chaos.conftest import MODEL, read_requests
from tests.conftest import Published
from tests.e2e.serving import add_tenant, scratch_environment, serve
from tests.triton.nodes import running_node


def make_champion_anew(registry: str) -> None:
    """Registers the champion's artifacts as version 2, and moves the alias there."""
    mlflow.set_tracking_uri(registry)  # `models:/` sources are looked up there, whatever the client was told
    client = mlflow.MlflowClient(tracking_uri=registry, registry_uri=registry)
    first = client.get_model_version(MODEL, "1")
    assert first.source is not None
    second = client.create_model_version(MODEL, first.source, first.run_id, tags=dict(first.tags))
    client.set_registered_model_alias(MODEL, "champion", second.version)


def publish(environment: Mapping[str, str]) -> str:
    """Runs `gapura publish`."""
    command = [sys.executable, "-m", "gateway", "publish"]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


async def test_no_call_fails_and_only_versions_of_the_catalog_answer(published: Published, tmp_path: Path) -> None:
    repository, database, catalog = tmp_path / "models", tmp_path / "mlflow.db", tmp_path / "catalog/catalog.binpb"
    shutil.copytree(published.repository, repository)
    shutil.copy(published.var / "mlflow.db", database)
    shutil.copytree(published.catalog.parent, catalog.parent)
    make_champion_anew(f"sqlite:///{database}")
    seen: list[tuple[float, str]] = []

    def check(_: int, answer: bytes) -> str:
        version = service_pb2.ModelInferResponse.FromString(answer).model_version
        seen.append((time(), version))
        return "" if version in ("1", "2") else f"version {version}"

    with running_node(repository, tmp_path / "one") as one, running_node(repository, tmp_path / "two") as two:
        environment = scratch_environment(
            published.environment,
            BACKEND="triton",
            NODES=f"{one.address},{two.address}",
            REPOSITORY=str(repository),
            CATALOG=str(catalog),
            MLFLOW_URI=f"sqlite:///{database}",
            HANDOVER_SECONDS="3",
        )
        key = add_tenant(environment, f"swap-{one.node.grpc_port}", MODEL)
        with serve(environment) as (_, address):
            load = SteadyLoad(address, read_requests(published), check, api_key=key, pause_seconds=0.05)
            async with load:
                await load.during(1.0)
                said = await asyncio.to_thread(publish, environment)
                swapped = monotonic()
                await load.during(2.0)
                ended = time()
    assert "version 2 live" in said
    assert load.since(0).problems == {}
    assert {call.started > swapped for call in load.asked} == {True, False}
    assert {version for moment, version in seen if moment > ended - 1.5} == {"2"}
    first_answer = min(moment for moment, version in seen if version == "2")
    assert first_answer >= catalog_written(catalog) - 0.01


def catalog_written(path: Path) -> float:
    """Returns when the catalog was written that made version 2 live, in seconds since 1970."""
    catalog = catalog_pb2.Catalog.FromString(path.read_bytes())
    assert [version.number for version in catalog.models[0].versions] == [2]
    return catalog.created_at.ToNanoseconds() / 1e9
