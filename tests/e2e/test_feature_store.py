"""The feature store service by its real commands, over a real Valkey: what is pushed is what everybody reads."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import gapura_client
import grpc
import pytest
from erpml.hub.v1 import feature_store_service_pb2 as messages
from erpml.hub.v1 import feature_store_service_pb2_grpc
from gapura_features.schema import Value
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hypothesis import HealthCheck, example, given, settings

from tests.e2e.serving import COMMAND, add_tenant, serve, wait_for
from tests.gateway.feature_store import COLUMNS, NULLS, ROW, ROWS, row_of, same, values_of
from tests.redis_servers import redis_server

DECLARED = "\n".join(
    (
        "view: customer",
        "team: team3",
        "entity: customer",
        "description: A value of every type.",
        "freshness: 1h",
        "degrade: default",
        "source: {parquet: customers.parquet, entity: id, event_time: at}",
        "columns:",
        *(f"  - {{name: {name}, type: {type_.name.lower()}, description: One.}}" for name, type_ in COLUMNS.items()),
    )
)
SERVED_SECONDS = 0.05  # for the quarter of the pushes that meets no other work of the machine
ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Stores:
    """Two processes of the service over one Valkey.

    Attributes:
        environment: Of their commands.
        addresses: Where they listen.
        api_key: Key of a tenant that may read and push.
        reader_key: Key of one that may read.
        stubs: Of the first, to each process.
        numbers: Make ids of entities that nobody has asked for.
    """

    environment: dict[str, str]
    addresses: Sequence[str]
    api_key: str
    reader_key: str
    stubs: Sequence[Any]
    numbers: Iterator[int] = field(default_factory=count)

    def push(self, entity: str, values: Sequence[Value], process: int = 0) -> int:
        """Pushes a row through a process; returns how many rows it wrote."""
        request = messages.PushFeaturesRequest(view="customer", rows=[row_of(entity, tuple(values))])
        return int(self.stubs[process].PushFeatures(request, timeout=10).written)

    def read(self, *entities: str, process: int = 0) -> list[tuple[Value, ...]]:
        """Returns the rows of entities as a process has them."""
        request = messages.GetOnlineFeaturesRequest(view="customer", entity_ids=entities)
        answer = self.stubs[process].GetOnlineFeatures(request, timeout=10)
        return list(zip(*map(values_of, answer.columns), strict=True))


@contextmanager
def store(environment: dict[str, str]) -> Iterator[str]:
    """Runs `gapura feature-store`; yields its address, and expects a clean end."""
    process = subprocess.Popen(
        [*COMMAND, "feature-store", "--listen", "127.0.0.1:0"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield wait_for(process, "listening")["address"]
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Declares a view, adds tenants, and starts both."""
    folder: Path = tmp_path_factory.mktemp("store")
    with redis_server(folder) as redis, ExitStack() as stack:
        places = {
            "VAR": folder,
            "CATALOG": folder / "catalog.binpb",
            "CONTRACTS": folder / "contracts",
            "REPOSITORY": folder / "models",
            "TENANTS": folder / "tenants.yaml",
            "USAGE": folder / "usage",
            "MLFLOW_URI": f"sqlite:///{folder}/mlflow.db",
            "REDIS_URL": redis.url,
            "DRAIN_SECONDS": 1,
            "FEATURES_BUDGET_MS": 2000,  # a busy machine may take longer than usual
        }
        environment = {**os.environ, **{f"GAPURA_{name}": str(place) for name, place in places.items()}}
        (folder / "customer.yaml").write_text(DECLARED)
        subprocess.run([*COMMAND, "features", "apply", str(folder / "customer.yaml")], env=environment, check=True)
        key = add_tenant(
            environment, "pushing", "none_*", "--feature-views", "customer", "--feature-pushes", "customer"
        )
        reader_key = add_tenant(environment, "reading", "none_*", "--feature-views", "customer")
        addresses = [stack.enter_context(store(environment)) for _ in range(2)]
        channels = [stack.enter_context(gapura_client.connect(address, api_key=key)) for address in addresses]
        stubs = [feature_store_service_pb2_grpc.FeatureStoreServiceStub(channel) for channel in channels]
        yield Stores(environment, addresses, key, reader_key, stubs)


@given(values=ROWS)
@example(values=ROW)
@example(values=NULLS)
@example(values=(-0.0, -0.0, -(2**31), 2**53 + 1, False, "", b""))
@example(values=(float("nan"), float("nan"), 2**31 - 1, -(2**63), True, "\x00𝄞é", b"\x00\xff"))
@example(values=(float("-inf"), 5e-324, 0, 2**63 - 1, True, "x" * 65_536, bytes(65_536)))
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_read_is_what_was_pushed(stores: Stores, values: tuple[Value, ...]) -> None:
    entity = f"e{next(stores.numbers)}"
    assert stores.push(entity, values) == 1
    for process in (0, 1):
        (read,) = stores.read(entity, process=process)
        assert all(map(same, read, values)), (process, read, values)


def test_any_id_of_an_entity_is_its_own(stores: Stores) -> None:
    ids = ["a", "a:", "a:b", "{a}", " ", "ü", "\x00", "𝄞" * 128, "x" * 512]
    for number, entity in enumerate(ids):
        stores.push(entity, (float(number), *ROW[1:]))
    assert [row[0] for row in stores.read(*ids, process=1)] == [float(number) for number in range(len(ids))]


def test_a_pushed_value_is_served_by_every_process_within_50_ms(stores: Stores) -> None:
    entity, seconds = "followed", []
    stores.read(entity, process=1)
    for number in range(ROUNDS):
        stores.push(entity, (float(number), *ROW[1:]))
        pushed = monotonic()
        while stores.read(entity, process=1)[0][0] != number:
            assert monotonic() - pushed < 10
        seconds.append(monotonic() - pushed)
    assert sorted(seconds)[ROUNDS // 4] < SERVED_SECONDS


def test_a_tenant_pushes_only_where_it_may(stores: Stores) -> None:
    with gapura_client.connect(stores.addresses[0], api_key=stores.reader_key) as channel:
        stub = feature_store_service_pb2_grpc.FeatureStoreServiceStub(channel)
        assert [view.name for view in stub.ListViews(messages.ListViewsRequest(), timeout=10).views] == ["customer"]
        with pytest.raises(grpc.RpcError) as refused:
            stub.PushFeatures(messages.PushFeaturesRequest(view="customer", rows=[row_of("kept", ROW)]), timeout=10)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert stores.read("kept") == [NULLS]


def test_the_process_has_health_and_reflection_and_no_models(stores: Stores) -> None:
    with gapura_client.connect(stores.addresses[0], api_key=stores.api_key) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "erpml.hub.v1.FeatureStoreService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    assert services == {
        "erpml.hub.v1.FeatureStoreService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


def test_the_gateway_has_the_same_service(stores: Stores) -> None:
    stores.push("everywhere", ROW)
    request = messages.GetOnlineFeaturesRequest(view="customer", entity_ids=["everywhere"])
    with (
        serve(stores.environment) as (_, address),
        gapura_client.connect(address, api_key=stores.reader_key) as channel,
    ):
        stub = feature_store_service_pb2_grpc.FeatureStoreServiceStub(channel)
        answer = stub.GetOnlineFeatures(request, timeout=10)
    assert [values_of(column) for column in answer.columns] == [[value] for value in ROW]


def test_what_was_read_and_pushed_is_billed_to_the_tenant_and_the_views_team(stores: Stores) -> None:
    stores.push("billed", ROW)
    stores.read("billed")
    command = [*COMMAND, "usage", "--by", "tenant", "--by", "team", "--by", "model", "--format", "csv"]
    told = subprocess.run(command, env=stores.environment, check=True, capture_output=True, text=True).stdout
    assert any(line.startswith("pushing,team3,team3_features:customer,") for line in told.splitlines()), told
