"""The table of endpoints: a tenant learns nothing of models that it may not call, not even why they are silent."""

import pytest
from tritonclient.grpc import service_pb2

from gateway.calls import Call
from gateway.contracts.compilation import compile_methods
from gateway.contracts.descriptors import link
from gateway.edge.endpoints import Table, build_table
from gateway.edge.kserve.control import OPERATIONS
from gateway.edge.status import status_of
from gateway.errors import InvalidRequest, PermissionDenied, Unauthenticated, Unavailable
from gateway.interfaces import Endpoint
from gateway.pipeline import Pipeline
from gateway.routing.routes import compile_routes
from gateway.telemetry.off import NoTelemetry
from gateway.tenancy.directory import open_directory
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants
from gateway.testing import FakeFeatures, FakeLanes
from tests.gateway.models import always, live, version

LISTINGS = (
    ("RepositoryIndex", service_pb2.RepositoryIndexResponse, "models"),
    ("ModelStatistics", service_pb2.ModelStatisticsResponse, "model_stats"),
)
KEYS = {name: new_key() for name in ("team3", "team4")}


def silent_endpoint(path: str) -> Endpoint:
    """Returns an endpoint of a catalog without models."""
    policies = [
        TenantPolicy(name=name, models=(f"{name}_*",), keys=(KeyEntry.of(hashed),))
        for name, (_, hashed) in KEYS.items()
    ]
    compiled = compile_methods(link({}).methods, {}, {}, {}, status_of)
    directory = open_directory(Tenants(tenants=tuple(policies)))
    pipeline = Pipeline(directory, compile_routes({}, always), FakeFeatures(), FakeLanes(), NoTelemetry())
    endpoint = build_table(pipeline, compiled.methods, compiled.refused, ready=True)[path]
    assert isinstance(endpoint, Endpoint)
    return endpoint


@pytest.mark.parametrize("method", ["ScoreCredit", "BatchScoreCredit"])
async def test_only_those_who_may_call_a_silent_method_are_told_why_it_is_silent(method: str) -> None:
    endpoint = silent_endpoint(f"/erpml.finance.v1.CreditService/{method}")
    with pytest.raises(Unavailable, match="publish it"):
        await endpoint.answer(Call(b"", KEYS["team3"][0], None))
    with pytest.raises(PermissionDenied):
        await endpoint.answer(Call(b"", KEYS["team4"][0], None))
    with pytest.raises(Unauthenticated):
        await endpoint.answer(Call(b"", None, None))


async def test_only_operators_reach_the_servers() -> None:
    backend, keys = FakeLanes(), {name: new_key() for name in ("plain", "operators")}
    policies = [
        TenantPolicy(name=name, models=("*",), operator=name == "operators", keys=(KeyEntry.of(hashed),))
        for name, (_, hashed) in keys.items()
    ]
    table = build_table(
        Pipeline(
            open_directory(Tenants(tenants=tuple(policies))),
            compile_routes({}, always),
            FakeFeatures(),
            backend,
            NoTelemetry(),
        ),
        {},
        {},
        ready=True,
    )
    for operation in OPERATIONS:
        endpoint = table[f"/inference.GRPCInferenceService/{operation}"]
        assert isinstance(endpoint, Endpoint)
        assert await endpoint.answer(Call(b"", keys["operators"][0], None)) == b""
        with pytest.raises(PermissionDenied, match="no operator"):
            await endpoint.answer(Call(b"", keys["plain"][0], None))
    assert backend.operations == [(operation, b"") for operation in OPERATIONS]


async def test_a_tenant_sees_only_its_own_models_in_the_index_and_in_statistics() -> None:
    backend, (key, hashed) = FakeLanes(), new_key()
    own, foreign = version(model="team3_own"), version(model="team4_foreign")
    backend.loaded |= {own, foreign}
    policy = TenantPolicy(name="team3", models=("team3_*",), keys=(KeyEntry.of(hashed),))
    routes = compile_routes({each.model: live(each) for each in (own, foreign)}, always)
    directory = open_directory(Tenants(tenants=(policy,)))
    table = build_table(Pipeline(directory, routes, FakeFeatures(), backend, NoTelemetry()), {}, {}, ready=True)
    for method, kind, field in LISTINGS:
        endpoint = table[f"/inference.GRPCInferenceService/{method}"]
        assert isinstance(endpoint, Endpoint)
        listed = getattr(kind.FromString(await endpoint.answer(Call(b"", key, None))), field)
        assert [each.name for each in listed] == ["team3_own"]


def operators_table(backend: FakeLanes, *models: str) -> tuple[str, Table]:
    """Returns the key of an operator for some models, and the endpoints."""
    key, hashed = new_key()
    policy = TenantPolicy(name="operators", models=models, operator=True, keys=(KeyEntry.of(hashed),))
    directory = open_directory(Tenants(tenants=(policy,)))
    pipeline = Pipeline(directory, compile_routes({}, always), FakeFeatures(), backend, NoTelemetry())
    return key, build_table(pipeline, {}, {}, ready=True)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_bytes_that_are_no_request_reach_no_server(operation: str) -> None:
    backend = FakeLanes()
    key, table = operators_table(backend, "*")
    endpoint = table[f"/inference.GRPCInferenceService/{operation}"]
    assert isinstance(endpoint, Endpoint)
    with pytest.raises(InvalidRequest, match=f"the bytes are not an inference.{operation}Request") as refused:
        await endpoint.answer(Call(b"\xff", key, None))
    assert (refused.value.reason, backend.operations) == ("MALFORMED_MESSAGE", [])


@pytest.mark.parametrize("operation", ["RepositoryModelLoad", "RepositoryModelUnload", "TraceSetting"])
async def test_an_operator_changes_only_models_that_it_may_call(operation: str) -> None:
    backend = FakeLanes()
    key, table = operators_table(backend, "team3_*")
    endpoint = table[f"/inference.GRPCInferenceService/{operation}"]
    assert isinstance(endpoint, Endpoint)
    own, foreign = (OPERATIONS[operation](model_name=f"{team}_a").SerializeToString() for team in ("team3", "team4"))
    with pytest.raises(PermissionDenied, match="tenant 'operators' may not call 'team4_a'"):
        await endpoint.answer(Call(foreign, key, None))
    await endpoint.answer(Call(own, key, None))
    assert backend.operations == [(operation, own)]
