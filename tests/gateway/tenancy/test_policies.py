"""What a policy allows and how much, as the request path keeps to it; what was used is charged, and nothing else."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from gateway.calls import Call
from gateway.edge.endpoints import Table, build_table
from gateway.edge.status import wire_status
from gateway.errors import GatewayError, Overloaded
from gateway.pipeline import Pipeline
from gateway.routing.routes import compile_routes
from gateway.telemetry.off import NoTelemetry
from gateway.tenancy.directory import Directory, open_directory
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants
from gateway.tenancy.quotas.accounts import Accounts
from gateway.testing import FakeFeatures, FakeLanes
from gateway.types import Arm, Model, TensorSpec
from tests.gateway.models import always, version

KEY, HASHED = new_key()
SPEC = TensorSpec("x", "FP32", (1,))
SERVED = version((SPEC,), outputs=(SPEC,))
PREFIX = "/inference.GRPCInferenceService/"
INFER = f"{PREFIX}ModelInfer"


@dataclass(slots=True)
class Charges:
    """A book that remembers what was charged."""

    made: list[tuple[str, str, int]] = field(default_factory=list)

    def charge(self, tenant: str, model: str, rows: int, backend_seconds: float, feature_hits: int = 0) -> None:
        assert backend_seconds >= 0
        assert feature_hits == 0
        self.made.append((tenant, model, rows))


@dataclass(slots=True)
class Served:
    """A table over one tenant and one model."""

    table: Table
    directory: Directory
    backend: FakeLanes
    charges: Charges

    async def call(self, rows: int = 1, path: str = INFER, *, pin: str = "", rest: bool = False) -> bytes:
        """Makes a call."""
        call = Call(request(rows, pin), KEY, None, path=path, rest=rest)
        answer: Any = self.table[path].answer
        return bytes(await answer(call))

    async def refusal(self, *arguments: Any, **options: Any) -> GatewayError:
        """Makes a call that is refused."""
        with pytest.raises(GatewayError) as refused:
            await self.call(*arguments, **options)
        return refused.value

    @property
    def under_way(self) -> int:
        """Calls of the tenant that are under way."""
        return self.directory.tenants["team9"].account.active


def served(backend: FakeLanes | None = None, **policy: Any) -> Served:
    """Returns what serves a tenant of this policy."""
    charges, backend = Charges(), backend or FakeLanes()
    backend.loaded.add(SERVED)
    entry = TenantPolicy.model_validate({"name": "team9", "models": ["*"], "keys": [KeyEntry.of(HASHED)], **policy})
    directory = open_directory(Tenants(tenants=(entry,)), book=charges)
    model = Model(SERVED.model, {SERVED.number: SERVED}, (Arm("champion", SERVED),), {})
    pipeline = Pipeline(
        directory, compile_routes({SERVED.model: model}, always), FakeFeatures(), backend, NoTelemetry()
    )
    return Served(build_table(pipeline, {}, {}, ready=True), directory, backend, charges)


def request(rows: int = 1, pin: str = "") -> bytes:
    """Returns an inference."""
    made = service_pb2.ModelInferRequest(model_name=SERVED.model, model_version=pin)
    made.inputs.add(name="x", datatype="FP32", shape=[rows, 1])
    made.raw_input_contents.append(bytes(4 * rows))
    return bytes(made.SerializeToString())


@contextmanager
def held(backend: FakeLanes) -> Iterator[None]:
    """Keeps the backend from answering."""
    backend.open.clear()
    try:
        yield
    finally:
        backend.open.set()


async def test_answered_calls_are_charged_and_no_others() -> None:
    here = served()
    await here.call(3)
    await here.call(5)
    assert (await here.refusal(1, pin="7")).reason == "MODEL_UNKNOWN"
    assert (await here.refusal(9999)).reason == "BATCH_TOO_LARGE"
    assert here.charges.made == [("team9", SERVED.model, 3), ("team9", SERVED.model, 5)]
    assert here.under_way == 0


@pytest.mark.parametrize(
    ("services", "allowed"),
    [
        (["*"], True),
        (["inference.GRPCInferenceService"], True),
        (["inference.*"], True),
        (["inference.GRPCInferenceService/ModelInfer"], True),
        (["inference.GRPCInferenceService/Model[A-I]*"], True),
        (["erpml.*"], False),
        (["inference.GRPCInferenceService/ModelReady"], False),
        (["inference"], False),
        ([], False),
    ],
)
async def test_services_and_methods_are_allowed_by_glob(services: list[str], allowed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    here = served(services=services)
    if allowed:
        await here.call()
    else:
        assert (await here.refusal()).reason == "SERVICE_NOT_ALLOWED"
    assert here.under_way == 0


async def test_a_stream_of_a_service_that_is_not_allowed_is_refused() -> None:
    here = served(services=["erpml.*"])

    async def messages() -> Any:
        yield request()

    stream: Any = here.table[f"{PREFIX}ModelStreamInfer"].answer
    with pytest.raises(GatewayError) as refused:
        await anext(stream(Call(b"", KEY, None, path=f"{PREFIX}ModelStreamInfer"), messages()))
    assert refused.value.reason == "SERVICE_NOT_ALLOWED"


async def test_pins_rest_and_sizes_are_what_the_policy_says() -> None:
    here = served(pins=False, rest=False, max_message_bytes=len(request(4)), max_batch_rows=3)
    await here.call(3)
    found = [
        await here.refusal(1, pin="1"),
        await here.refusal(1, rest=True),
        await here.refusal(5),
        await here.refusal(4),
    ]
    assert [error.reason for error in found] == [
        "PIN_NOT_ALLOWED",
        "REST_NOT_ALLOWED",
        "MESSAGE_TOO_LARGE",
        "BATCH_TOO_LARGE",
    ]
    assert [wire_status(error)[0].name for error in found] == [
        "PERMISSION_DENIED",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "INVALID_ARGUMENT",
    ]
    assert all(error.metadata["tenant"] == "team9" for error in found)
    assert [error.metadata.get("limit") for error in found[2:]] == [f"{len(request(4))} bytes", "3"]
    await served().call(1, pin="1", rest=True)


async def test_calls_under_way_are_bounded_and_every_end_frees_a_place() -> None:
    here = served(concurrency=2)
    with held(here.backend):
        running = [asyncio.create_task(here.call()) for _ in range(2)]
        await asyncio.sleep(0)
        error = await here.refusal()
        assert isinstance(error, Overloaded)
        assert (error.reason, error.metadata["tenant"]) == ("CONCURRENCY_LIMITED", "team9")
        assert error.retry_after_ms > 0
        running[0].cancel()
        await asyncio.sleep(0)
        late = asyncio.create_task(here.call())
        await asyncio.sleep(0)
    await asyncio.gather(running[1], late)
    assert here.under_way == 0


async def test_calls_and_rows_over_time_are_bounded() -> None:
    here = served(calls_per_second=10, burst_seconds=1)
    for _ in range(10):
        await here.call()
    error = await here.refusal()
    assert isinstance(error, Overloaded)
    assert (error.reason, error.metadata) == ("RATE_LIMITED", {"tenant": "team9", "limit": "10 calls/s"})
    assert 0 < error.retry_after_ms <= 200
    here = served(rows_per_second=10, burst_seconds=1)
    await here.call(6)
    assert (await here.refusal(6)).metadata["limit"] == "10 rows/s"
    await here.call(4)
    assert here.under_way == 0


def test_reading_the_file_again_changes_limits_and_forgives_nobody() -> None:
    accounts, call = Accounts(), Call(b"", KEY, None, path=INFER)
    limited = {"name": "team9", "models": ["*"], "keys": [KeyEntry.of(HASHED)], "burst_seconds": 1}
    before: Directory | None = None
    for limits, admitted in (({"calls_per_second": 4}, 4), ({"calls_per_second": 4, "rest": False}, 0), ({}, 9)):
        policy = TenantPolicy.model_validate({**limited, **limits})
        before = open_directory(Tenants(tenants=(policy,)), accounts=accounts, previous=before)
        for _ in range(admitted):
            with before.admit(call):
                pass
        if limits:
            with pytest.raises(Overloaded):
                before.admit(call)


async def test_decoupled_calls_of_a_stream_count_once() -> None:
    here = served(FakeLanes(responses=()), calls_per_second=2, burst_seconds=1)

    async def messages() -> Any:
        for _ in range(3):
            yield request()

    stream: Any = here.table[f"{PREFIX}ModelStreamInfer"].answer
    told = [answer async for answer in stream(Call(b"", KEY, None, path=f"{PREFIX}ModelStreamInfer"), messages())]
    errors = [service_pb2.ModelStreamInferResponse.FromString(answer).error_message for answer in told]
    assert len([error for error in errors if "limited to 2 calls/s" in error]) == 1
    assert (len(here.charges.made), here.under_way) == (2, 0)
