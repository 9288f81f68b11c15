"""`gapura start`, `gapura ps` and `gapura reload`, as operators use them: with and without Envoy before the workers."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import gapura_client
import pytest
from erpml.finance.v1.credit_service_pb2 import ScoreCreditRequest
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub
from erpml.hub.v1.feature_store_service_pb2 import GetOnlineFeaturesRequest
from erpml.hub.v1.feature_store_service_pb2_grpc import FeatureStoreServiceStub
from erpml.types.v1.prediction_info_pb2 import FEATURE_STATUS_DEFAULT, FEATURE_STATUS_FRESH
from gapura_supervisor.addresses import free_port
from gapura_supervisor.state import Phase
from gapura_triton import processes
from gapura_triton.fleet import node_folder
from gapura_triton.node import read_node
from mlflow import MlflowClient
from redis import Redis

from hub.training.credit_scoring import MODEL
from tests.conftest import Published
from tests.e2e.deployments import Callers, Deployment, score_at, seconds_until, started
from tests.e2e.joining_team import CONTRACT, REST_PATH
from tests.e2e.serving import COMMAND, add_tenant, scratch_environment
from tests.gateway.contract_source import compile_contract
from tests.supervisor.deployments import is_alive
from tests.triton.homes import linked_home
from tests.triton.nodes import installed_home, wait_until

LOOKS_SECONDS = 3.0  # within which the folder of contracts is looked at
STALL_SECONDS = 3.0  # for so long a busy machine may do something else
MOST_TRIES = 5  # of a caller until its connection is made anew
RELOAD = [[*COMMAND, "reload"]]


@pytest.fixture
def environment(published: Published, tmp_path: Path) -> dict[str, str]:
    """Returns an environment over a copy of what was published, with a place of its own."""
    shutil.copytree(published.repository, tmp_path / "model_repository")
    shutil.copytree(published.catalog.parent, tmp_path / "catalog")
    shutil.copy(published.var / "mlflow.db", tmp_path)
    return scratch_environment(
        published.environment,
        VAR=str(tmp_path),
        REPOSITORY=str(tmp_path / "model_repository"),
        CATALOG=str(tmp_path / "catalog/catalog.binpb"),
        CONTRACTS=str(tmp_path / "catalog/contracts"),
        TENANTS=str(tmp_path / "tenants.yaml"),
        MLFLOW_URI=f"sqlite:///{tmp_path}/mlflow.db",
        DRAIN_SECONDS="5",
    )


@pytest.fixture
def api_key(environment: dict[str, str]) -> str:
    """Adds a tenant; returns its key."""
    return add_tenant(environment, "team3", "team3_*")


def test_reload_behind_envoy_fails_no_call(environment: dict[str, str], api_key: str) -> None:
    with started(environment, "--edge=envoy", "--workers=2") as deployment:
        before = {part.pid for part in deployment.workers.values()}
        steady, fresh = Callers(deployment.listen, api_key), Callers(deployment.listen, api_key, callers=2, calls=1)

        async def call() -> None:
            reload = steady.call_while(RELOAD, deployment.environment)
            await asyncio.gather(reload, fresh.call_while([["/bin/sleep", "4"]], deployment.environment))

        asyncio.run(call())
        assert set(steady.outcomes) == set(fresh.outcomes) == {"OK"}
        assert min(steady.outcomes["OK"], fresh.outcomes["OK"]) > 100
        assert before.isdisjoint(part.pid for part in deployment.workers.values())
        assert deployment.end()[0] == 0


def test_killed_worker_behind_envoy_fails_no_call_and_is_back(environment: dict[str, str], api_key: str) -> None:
    with started(environment, "--edge=envoy", "--workers=2") as deployment:
        killed = deployment.workers["worker-1"].pid
        callers = Callers(deployment.listen, api_key)
        asyncio.run(callers.call_while([["/bin/sh", "-c", f"kill -9 {killed}; sleep 3"]], deployment.environment))
        assert set(callers.outcomes) == {"OK"}
        wait_until(lambda: deployment.ready, 30)
        assert deployment.workers["worker-1"].restarts == 1
        assert deployment.workers["worker-1"].pid != killed


def test_reload_of_workers_that_share_a_port_cuts_only_calls_of_connections_that_end(
    environment: dict[str, str], api_key: str
) -> None:
    with started(environment, "--workers=2") as deployment:
        callers = Callers(deployment.listen, api_key)
        (printed,) = asyncio.run(callers.call_while(RELOAD, deployment.environment))
        assert printed.count("has taken over from") == 2
        cut = sum(count for outcome, count in callers.outcomes.items() if outcome != "OK")
        assert cut <= 2 * 16 * MOST_TRIES  # both workers end once, with 16 callers at most
        assert callers.outcomes["OK"] > 100


def test_worker_that_does_not_start_ends_the_reload_and_no_call_fails(
    environment: dict[str, str], api_key: str
) -> None:
    with started(environment, "--edge=envoy", "--workers=2") as deployment:
        before = {part.pid for part in deployment.workers.values()}
        tenants = Path(environment["GAPURA_TENANTS"])
        good = tenants.read_bytes()
        tenants.write_text("tenants: broken")  # those that run keep what they have
        done = deployment.run("reload")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("Error: worker-1 does not become ready, exit status 1:\n")
        assert str(tenants) in done.stderr
        tenants.write_bytes(good)
        assert {part.pid for part in deployment.workers.values()} == before
        assert score_at(deployment.listen, api_key).startswith("RISK_CATEGORY_")


def test_contracts_that_envoy_cannot_take_end_the_reload(environment: dict[str, str], api_key: str) -> None:
    with started(environment, "--edge=envoy", "--workers=1") as deployment:
        pid = deployment.workers["worker-1"].pid
        bad = Path(environment["GAPURA_CONTRACTS"]) / "bad.binpb"
        bad.parent.mkdir(exist_ok=True)
        bad.write_bytes(b"\xff\xff")
        done = deployment.run("reload")
        assert done.returncode == 1
        assert done.stderr.startswith("Error: the edge is as it was: ")
        assert deployment.workers["worker-1"].pid == pid
        assert score_at(deployment.listen, api_key).startswith("RISK_CATEGORY_")


def test_contracts_that_arrive_have_their_rest_paths_without_a_reload(
    environment: dict[str, str], api_key: str, tmp_path: Path
) -> None:
    with started(environment, "--edge=envoy", "--workers=1") as deployment:
        pids = {part.pid for part in deployment.parts.values()}
        assert status_of(deployment.listen, REST_PATH, api_key) == HTTPStatus.NOT_FOUND
        folder = Path(environment["GAPURA_CONTRACTS"])
        folder.mkdir(exist_ok=True)
        (folder / "team5.binpb").write_bytes(compile_contract(tmp_path, CONTRACT))
        refused = HTTPStatus.FORBIDDEN  # to this tenant: the call reaches the gateway
        wait_until(lambda: status_of(deployment.listen, REST_PATH, api_key) == refused, 20)
        (folder / "bad.binpb").write_bytes(b"\xff\xff")
        time.sleep(LOOKS_SECONDS)
        assert status_of(deployment.listen, REST_PATH, api_key) == refused
        assert {part.pid for part in deployment.parts.values()} == pids
        assert score_at(deployment.listen, api_key).startswith("RISK_CATEGORY_")
        assert "the edge is as it was" in deployment.end()[1]


def status_of(address: str, path: str, api_key: str) -> int:
    """Returns the status of a call over REST."""
    with closing(HTTPConnection(address, timeout=10)) as connection:
        connection.request("POST", path, json.dumps({"stock": 1, "daily_sales": 2}), {"x-api-key": api_key})
        return connection.getresponse().status


@pytest.mark.parametrize("edge", ["--edge=none", "--edge=envoy"])
def test_killed_supervisor_leaves_no_process(environment: dict[str, str], edge: str) -> None:
    with started(environment, edge, "--workers=2") as deployment:
        pids = [part.pid for part in deployment.parts.values() if part.pid]
        assert len(pids) >= 2
        deployment.process.kill()
        wait_until(lambda: not any(map(is_alive, pids)), 20)
        wait_until(lambda: not deployment.left, 20)


def test_killed_supervisor_leaves_no_triton_node(environment: dict[str, str], tmp_path: Path) -> None:
    linked_home(tmp_path / "triton", installed_home())
    with started(environment, "--backend=triton") as deployment:
        nodes = [read_node(node_folder(tmp_path / "triton", name)) for name in ("up-1", "up-2")]
        marks = [node.mark for node in nodes if node is not None]
        assert [bool(list(processes.marked(mark))) for mark in marks] == [True, True]
        deployment.process.kill()
        wait_until(lambda: not deployment.left and not any(list(processes.marked(mark)) for mark in marks), 20)


def test_envoy_ends_before_the_workers_and_a_call_under_way_is_answered(
    environment: dict[str, str], api_key: str
) -> None:
    with started(environment, "--edge=envoy", "--workers=2", "--with=valkey") as deployment:
        stop = [["/bin/kill", "-TERM", str(deployment.process.pid)]]
        callers = Callers(deployment.listen, api_key)
        asyncio.run(callers.call_while(stop, deployment.environment))
        said, _ = deployment.process.communicate(timeout=60)
        state = deployment.place.read()
        assert deployment.process.returncode == 0, said
        assert state is not None
        ended = {part.name: part.since for part in state.parts}
        assert {part.phase for part in state.parts} == {Phase.STOPPED}
        assert ended["envoy"] < min(ended["worker-1"], ended["worker-2"])
        assert max(ended["worker-1"], ended["worker-2"]) < ended["valkey"]
        assert not deployment.left
        codes = {outcome.partition(" ")[0] for outcome in callers.outcomes}
        assert codes <= {"OK", "UNAVAILABLE"}, callers.outcomes  # refused, but none cut


def test_tenants_and_models_reach_every_worker_within_two_seconds(environment: dict[str, str]) -> None:
    with started(environment, "--edge=envoy", "--workers=3") as deployment:
        addresses = [part.address for part in deployment.workers.values()]
        key = add_tenant(environment, "team3", "team3_*")

        def all_say(outcome: str) -> bool:
            return [score_at(address, key) for address in addresses] == [outcome] * 3

        answer = "RISK_CATEGORY_HIGH"
        took = seconds_until(lambda: "UNAUTHENTICATED" not in {score_at(each, key) for each in addresses}, 30)
        assert took < 2 + STALL_SECONDS
        assert not all_say(answer)
        client = MlflowClient(environment["GAPURA_MLFLOW_URI"], environment["GAPURA_MLFLOW_URI"])
        client.set_registered_model_tag(MODEL, "policy.risk_category", "0.000001,0.000002")
        assert deployment.run("publish").returncode == 0
        assert seconds_until(lambda: all_say(answer), 30) < 2 + STALL_SECONDS


def test_taken_port_is_told_before_anything_starts(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        listen = f"127.0.0.1:{stranger.getsockname()[1]}"
        done = subprocess.run(
            [*COMMAND, "start", "--listen", listen], env=environment, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: cannot listen on {listen} (Address already in use): choose another with --listen\n"


@pytest.mark.parametrize(
    ("options", "variables", "status", "told"),
    [
        (["--workers=0"], {}, 2, "0 is not in the range 1<=x<=256"),
        (["--edge=nginx"], {}, 2, "'nginx' is not one of 'none', 'envoy'"),
        (["--with=redis"], {}, 2, "'redis' is not one of 'mlflow', 'valkey', 'feature-store'"),
        (["--listen=9003"], {}, 1, "'9003' is not an address: write HOST:PORT"),
        ([], {"LISTENER": "native"}, 1, "GAPURA_LISTENER=native does not go with --edge none: its workers are grpcio"),
        (["--edge=envoy"], {"EDGE_KEY": "/none"}, 1, "GAPURA_EDGE_CERTIFICATE and GAPURA_EDGE_KEY need each other"),
        ([], {"THREADS": "many"}, 1, "GAPURA_THREADS: "),
        (
            ["--backend=triton"],
            {},
            1,
            " does not become ready, exit status 1:\n    Error: tritonserver is not installed",
        ),
    ],
)
def test_wrong_options_are_told(
    environment: dict[str, str], options: list[str], variables: dict[str, str], status: int, told: str
) -> None:
    command = [*COMMAND, "start", "--listen", f"127.0.0.1:{free_port()}", *options]
    done = subprocess.run(
        command, env=scratch_environment(environment, **variables), capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert told in done.stderr


def valkey_of(deployment: Deployment) -> Redis:
    """Returns a client of the Valkey that runs beside the gateway."""
    return Redis.from_url(f"redis://{deployment.parts['valkey'].address}")


def test_features_are_materialised_and_served_by_what_runs_beside_the_gateway(
    published: Published, environment: dict[str, str], api_key: str
) -> None:
    store, source = f"127.0.0.1:{free_port()}", published.var / "features/customer_credit.parquet"
    extras = ("--with=valkey", "--with=feature-store")
    with started(environment | {"GAPURA_FEATURE_STORE_LISTEN": store}, *extras) as deployment:
        materialize = [*COMMAND, "features", "materialize", "customer_credit", "--source", str(source)]
        subprocess.run(materialize, env=deployment.environment, check=True)
        with gapura_client.connect(store, api_key=api_key) as channel:
            answer = FeatureStoreServiceStub(channel).GetOnlineFeatures(
                GetOnlineFeaturesRequest(view="customer_credit", entity_ids=["applicant-124339", "nobody"])
            )
        with gapura_client.connect(deployment.listen, api_key=api_key) as channel:
            scored = CreditServiceStub(channel).ScoreCredit(ScoreCreditRequest(customer_id="applicant-124339"))
    assert list(answer.statuses) == [FEATURE_STATUS_FRESH, FEATURE_STATUS_DEFAULT]
    assert scored.prediction.feature_status == FEATURE_STATUS_FRESH


def test_what_valkey_holds_is_there_after_a_restart(environment: dict[str, str]) -> None:
    with started(environment, "--with=valkey") as deployment, valkey_of(deployment) as valkey:
        valkey.set("f:customer_credit.1:C1", b"a row")
        assert deployment.end()[0] == 0
    with started(environment, "--with=valkey") as deployment, valkey_of(deployment) as valkey:
        assert valkey.get("f:customer_credit.1:C1") == b"a row"


def test_mlflow_and_valkey_run_where_the_table_says_and_end_with_it(environment: dict[str, str]) -> None:
    port = free_port()
    with started(environment | {"GAPURA_MLFLOW_PORT": str(port)}, "--with=mlflow", "--with=valkey") as deployment:
        address = f"http://127.0.0.1:{port}"
        assert deployment.parts["mlflow"].address == address
        names = [model.name for model in MlflowClient(address, address).search_registered_models()]
        assert MODEL in names
        host, valkey = deployment.parts["valkey"].address.split(":")
        with socket.create_connection((host, int(valkey))) as client:
            client.sendall(b"PING\r\n")
            assert client.recv(16) == b"+PONG\r\n"
        pids = [part.pid for part in deployment.parts.values() if part.pid]
        os.kill(deployment.process.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, pids)) and not deployment.left, 20)
