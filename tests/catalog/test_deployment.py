"""`gapura start --with valkey`: its workers follow the catalog there."""

import os
from pathlib import Path

from gateway.catalog.file import read_file
from hub.catalog_store import publish_to_redis
from tests.catalog.counting import catalog_of, write_counting
from tests.catalog.following import KEY
from tests.e2e.deployments import started
from tests.e2e.serving import scratch_environment
from tests.triton.nodes import wait_until


def test_workers_follow_the_valkey_of_their_deployment(tmp_path: Path) -> None:
    path = tmp_path / "catalog/catalog.binpb"
    environment = scratch_environment(
        os.environ,
        VAR=str(tmp_path),
        REPOSITORY=str(tmp_path / "models"),
        CATALOG=str(path),
        CONTRACTS=str(tmp_path / "contracts"),
        TENANTS=str(tmp_path / "tenants.yaml"),
        DRAIN_SECONDS="1",
    )
    model = write_counting(tmp_path / "models")
    path.parent.mkdir()
    path.write_bytes(catalog_of(model, 1).SerializeToString())
    with started(environment, "--with=valkey", "--workers=2") as deployment:
        publish_to_redis(f"redis://{deployment.parts['valkey'].address}", KEY, catalog_of(model, 2))
        wait_until(lambda: read_file(path).generation == 2, 20)
