"""From start to stop: what a gateway needs, how it takes changes while it serves, and how it ends."""

import asyncio
import hashlib
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import gapura_client
import gapura_client.aio
import pytest
from erpml.catalog.v1 import catalog_pb2
from erpml.finance.v1 import credit_service_pb2 as messages
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.settings import Settings, read_settings
from gateway.testing import running_gateway
from hub.training.credit_scoring import MODEL
from tests.conftest import Published
from tests.e2e.applicants import GOOD
from tests.e2e.serving import COMMAND, add_tenant, scratch_environment, serve, wait_for

UNWANTED = ("mlflow", "sklearn", "pandas", "onnx", "skl2onnx", "hub", "converters")


@pytest.fixture
def copied(published: Published, tmp_path: Path) -> dict[str, str]:
    """Returns an environment over a copy of what was published, that a test may change."""
    shutil.copytree(published.repository, tmp_path / "model_repository")
    shutil.copytree(published.catalog.parent, tmp_path / "catalog")
    return scratch_environment(
        published.environment,
        REPOSITORY=str(tmp_path / "model_repository"),
        CATALOG=str(tmp_path / "catalog/catalog.binpb"),
        TENANTS=str(tmp_path / "tenants.yaml"),
        WATCH_SECONDS="0.05",
    )


def health(address: str, service: str = "", api_key: str | None = None) -> int:
    """Returns the health of a service."""
    with gapura_client.connect(address, api_key=api_key) as channel:
        status: int = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service)).status
        return status


def eventually(happens: object, seconds: float = 30) -> None:
    """Waits until something is so."""
    end = monotonic() + seconds
    while not happens():  # type: ignore[operator] # a function
        assert monotonic() < end, "it did not happen"
        sleep(0.02)


def publish_next(environment: dict[str, str], number: int, generation: int) -> None:
    """Publishes a copy of version 1 under another number, as the hub would: files first, then the catalog."""
    repository, catalog = Path(environment["GAPURA_REPOSITORY"]), Path(environment["GAPURA_CATALOG"])
    shutil.copytree(repository / MODEL / "1", repository / MODEL / str(number))
    message = catalog_pb2.Catalog.FromString(catalog.read_bytes())
    message.generation = generation
    message.models[0].versions[0].number = number
    message.models[0].arms[0].version = number
    replace(catalog, message.SerializeToString())


def replace(path: Path, content: bytes) -> None:
    """Replaces a file in one step."""
    scratch = path.with_suffix(".new")
    scratch.write_bytes(content)
    scratch.replace(path)


def test_the_gateway_needs_nothing_of_the_hub(published: Published) -> None:
    """With the hub's packages made impossible to import, the gateway imports and reads its catalog."""
    program = f"""
import sys
for name in {UNWANTED}:
    sys.modules[name] = None
import asyncio
from gateway.app import Gateway
from gateway.settings import read_settings
async def main():
    gateway = Gateway(read_settings(listen="127.0.0.1:0"))
    await gateway.start()
    await gateway.stop()
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], env=dict(published.environment), check=True, capture_output=True)


def test_sigterm_lets_a_call_under_way_finish_and_ends_with_0(copied: dict[str, str]) -> None:
    key = add_tenant(copied, "team3", "team3_*")
    with serve(copied) as (process, address):
        with gapura_client.connect(address, api_key=key) as channel:
            batch = messages.BatchScoreCreditRequest(requests=[GOOD] * 512)
            CreditServiceStub(channel).ScoreCredit(GOOD)
            calls = [CreditServiceStub(channel).BatchScoreCredit.future(batch, timeout=20) for _ in range(20)]
            process.send_signal(signal.SIGTERM)
            wait_for(process, "draining")
            outcomes = [call.exception() for call in calls]
        assert process.wait(20) == 0
    assert outcomes == [None] * len(outcomes)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:99999", "127.0.0.1:-1", ":0", "nonsense", ""])
def test_what_is_no_address_is_told_and_ends_with_1(copied: dict[str, str], address: str) -> None:
    command = [*COMMAND, "serve", "--listen", address]
    ended = subprocess.run(command, env=copied, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 1
    assert "is no address: write host:port" in ended.stderr


def test_a_log_that_cannot_be_written_stops_nothing(copied: dict[str, str]) -> None:
    """Whoever read the log goes away; catalogs are still taken, and the drain still ends with 0."""
    key = add_tenant(copied, "team3", "team3_*")
    with serve(copied) as (process, address), gapura_client.connect(address, api_key=key) as channel:
        assert process.stderr is not None
        process.stderr.close()
        stub = CreditServiceStub(channel)
        for number in (2, 3):
            publish_next(copied, number, generation=number)
            eventually(lambda: stub.ScoreCredit(GOOD).prediction.version == number)  # noqa: B023 - called at once
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_an_address_in_use_is_told_and_ends_with_1(copied: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [*COMMAND, "serve", "--listen", address], env=copied, capture_output=True, text=True, check=False
        )
    assert ended.returncode == 1
    assert f"cannot listen on {address}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_a_catalog_it_waits_and_serves_as_soon_as_there_is_one(copied: dict[str, str]) -> None:
    catalog, key = Path(copied["GAPURA_CATALOG"]), add_tenant(copied, "team3", "team3_*")
    content = catalog.read_bytes()
    catalog.unlink()
    with serve(copied) as (_, address), gapura_client.connect(address, api_key=key) as channel:
        assert health(address) == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(gapura_client.Unavailable, match="publish") as refused:
            CreditServiceStub(channel).ScoreCredit(GOOD)
        assert refused.value.reason == "MODEL_NOT_SERVED"
        replace(catalog, content)
        eventually(lambda: health(address) == health_pb2.HealthCheckResponse.SERVING)
        assert health(address, MODEL, key) == health_pb2.HealthCheckResponse.SERVING
        assert CreditServiceStub(channel).ScoreCredit(GOOD).prediction.version == 1


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", catalog_pb2.Catalog(generation=1).SerializeToString()])
def test_a_catalog_that_is_broken_or_older_changes_nothing(copied: dict[str, str], content: bytes) -> None:
    catalog, key = Path(copied["GAPURA_CATALOG"]), add_tenant(copied, "team3", "team3_*")
    publish_next(copied, number=2, generation=7)
    with serve(copied) as (process, address), gapura_client.connect(address, api_key=key) as channel:
        replace(catalog, content)
        wait_for(process, "catalog stays as it was")
        assert CreditServiceStub(channel).ScoreCredit(GOOD).prediction.version == 2


def test_a_corrupt_model_changes_nothing(copied: dict[str, str]) -> None:
    key = add_tenant(copied, "team3", "team3_*")
    with serve(copied) as (process, address), gapura_client.connect(address, api_key=key) as channel:
        repository = Path(copied["GAPURA_REPOSITORY"])
        shutil.copytree(repository / MODEL / "1", repository / MODEL / "2")
        (repository / MODEL / "2/model.onnx").write_bytes(b"not a model")
        message = catalog_pb2.Catalog.FromString(Path(copied["GAPURA_CATALOG"]).read_bytes())
        message.generation = 9
        message.models[0].versions[0].number = message.models[0].arms[0].version = 2
        for digest in (message.models[0].versions[0].sha256, hashlib.sha256(b"not a model").hexdigest()):
            message.generation += 1
            message.models[0].versions[0].sha256 = digest
            replace(Path(copied["GAPURA_CATALOG"]), message.SerializeToString())
            assert wait_for(process, "left out")["what"] == MODEL
            assert CreditServiceStub(channel).ScoreCredit(GOOD).prediction.version == 1


async def test_versions_change_under_load_without_a_failed_call(
    copied: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = add_tenant(copied, "team3", "team3_*")
    async with (
        running_gateway(settings_of(copied, monkeypatch)) as (_, address),
        gapura_client.aio.connect(address, api_key=key) as channel,
    ):
        stub, seen = CreditServiceStub(channel), list[int]()
        running = True

        async def caller() -> None:
            while running:
                answer = await stub.ScoreCredit(GOOD)
                seen.append(answer.prediction.version)

        callers = [asyncio.create_task(caller()) for _ in range(16)]
        for number in (2, 3, 4):
            await asyncio.to_thread(publish_next, copied, number, number)
            while not seen or seen[-1] != number:
                await asyncio.sleep(0.01)
        running = False
        await asyncio.gather(*callers)
    assert sorted(set(seen)) == [1, 2, 3, 4]


def settings_of(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Reads an environment's settings in this process."""
    for name, value in environment.items():
        if name.startswith("GAPURA_"):
            monkeypatch.setenv(name, value)
    return read_settings(listen="127.0.0.1:0")


def test_a_tenant_that_is_added_may_call_and_a_broken_file_locks_nobody_out(copied: dict[str, str]) -> None:
    add_tenant(copied, "team4", "team4_*")
    with serve(copied) as (process, address):
        key = add_tenant(copied, "team3", "team3_*")
        wait_for(process, "tenants read again")
        with gapura_client.connect(address, api_key=key) as channel:
            CreditServiceStub(channel).ScoreCredit(GOOD)
            replace(Path(copied["GAPURA_TENANTS"]), b"tenants: [")
            assert "cannot read" in wait_for(process, "tenants stay as they were")["reason"]
            CreditServiceStub(channel).ScoreCredit(GOOD)
