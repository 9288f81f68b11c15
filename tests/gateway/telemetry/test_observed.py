"""A real gateway, called over each of its listeners, counts every call once, and tells of those that went wrong."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from erpml.catalog.v1 import catalog_pb2
from structlog.testing import capture_logs
from tritonclient.grpc import service_pb2

from benchmarks.arena import write_tenants_of
from benchmarks.models import BenchModel, write_models
from benchmarks.steady_load import MODEL_INFER
from gateway.calls import Call
from gateway.edge.calls import Traffic
from gateway.interfaces import Endpoint
from gateway.settings import read_settings
from gateway.telemetry.families import CALLS
from gateway.telemetry.layout import Labels, read_series
from gateway.telemetry.opening import Bounds, Watch
from gateway.testing import running_gateway
from tests.edge.conftest import KINDS
from tests.gateway.onnx_models import work_of, write_worker

MODEL = "team9_worker"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
UNSAMPLED, SAMPLED = (f"00-{TRACE}-{SPAN}-{flags}" for flags in ("00", "01"))
PATIENCE_SECONDS = 30.0
LONG_SECONDS = 3.0  # for which a call works that nobody lets finish
METHOD = "/test.Observed/Method"

Answer = Callable[[Call], Coroutine[Any, Any, bytes]]


def counted(folder: Path) -> dict[Labels, int]:
    """Returns how many calls were counted, by their labels."""
    series = [each for path in folder.glob("*.sheet") for each in read_series(path.read_bytes())]
    return {each.labels: int(sum(each.values[1:])) for each in series if each.family is CALLS}


def codes(folder: Path) -> Counter[str]:
    """Returns how many calls were counted, by their code."""
    found: Counter[str] = Counter()
    for labels, number in counted(folder).items():
        found[labels[-1]] += number
    return found


async def record_of(folder: Path, trace: str) -> dict[str, Any]:
    """Waits until a trace is written, and returns its record."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        lines = [line for path in folder.glob("*.traces.jsonl") for line in path.read_text().splitlines()]
        found.extend(record for record in map(json.loads, lines) if record["trace"] == trace)
        return bool(found)

    await until(is_there)
    return found[0]


async def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Observed:
    """A gateway.

    Attributes:
        channel: To its listener.
        folder: Of its telemetry.
        api_key: Of a tenant.
        long: What the model works on for long.
    """

    channel: Any
    folder: Path
    api_key: str
    long: float

    def infer(self, value: float = 0.0, *metadata: tuple[str, str], **options: Any) -> Any:
        """Begins a call of the model."""
        request = service_pb2.ModelInferRequest(model_name=MODEL)
        tensor = request.inputs.add(name="x", datatype="FP32", shape=[1, 1])
        tensor.contents.fp32_contents.append(value)
        return self.unary(request.SerializeToString(), ("x-api-key", self.api_key), *metadata, **options)

    def unary(self, message: bytes, *metadata: tuple[str, str], path: str = MODEL_INFER, **options: Any) -> Any:
        """Begins a call."""
        return self.channel.unary_unary(path)(message, metadata=metadata, **options)


@pytest.fixture(params=KINDS)
async def observed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Observed]:
    """A gateway over a model that works for as long as it is told; no call is traced without a reason."""
    made = tmp_path / "made"
    version = write_worker(made, MODEL)
    tensors = [catalog_pb2.Tensor(name=name, datatype="FP32", dims=[1]) for name in ("x", "y")]
    signature = catalog_pb2.Signature(inputs=tensors[:1], outputs=tensors[1:])
    model = BenchModel(MODEL, (made / MODEL / "1/model.onnx").read_bytes(), signature)
    write_models([model], tmp_path / "models", tmp_path / "catalog.binpb")
    settings = read_settings(
        listen="127.0.0.1:0",
        listener=request.param,
        repository=tmp_path / "models",
        catalog=tmp_path / "catalog.binpb",
        contracts=tmp_path / "contracts",
        tenants=tmp_path / "tenants.yaml",
        usage=tmp_path / "usage",
        telemetry=tmp_path / "telemetry",
        trace_ratio=0.0,
        slow_ms=600_000.0,
        threads=2,
    )
    key = write_tenants_of(tmp_path / "tenants.yaml", {"acme": {}})["acme"]
    long = work_of(made, version, LONG_SECONDS)
    async with running_gateway(settings) as (_, address), grpc.aio.insecure_channel(address) as channel:
        yield Observed(channel, tmp_path / "telemetry", key, long)


async def refused(call: Any) -> grpc.StatusCode:
    """Returns the code that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    return grpc.StatusCode(await call.code())


async def test_each_call_is_counted_once_by_its_code(observed: Observed) -> None:
    for _ in range(3):
        await observed.infer()
    for _ in range(2):
        assert await refused(observed.unary(b"", ("x-api-key", "nobody's"))) is grpc.StatusCode.UNAUTHENTICATED
    key = ("x-api-key", observed.api_key)
    unknown = observed.unary(b"", key, path="/no.such.Service/Method")
    assert await refused(unknown) is grpc.StatusCode.UNIMPLEMENTED
    assert await refused(observed.unary(b"\xff", key)) is grpc.StatusCode.INVALID_ARGUMENT
    nobody = service_pb2.ModelInferRequest(model_name="team9_nobody").SerializeToString()
    assert await refused(observed.unary(nobody, key)) is grpc.StatusCode.NOT_FOUND
    expected = {"OK": 3, "UNAUTHENTICATED": 2, "UNIMPLEMENTED": 1, "INVALID_ARGUMENT": 1, "NOT_FOUND": 1}
    await until(lambda: codes(observed.folder).total() >= sum(expected.values()))
    assert codes(observed.folder) == expected
    method = ("inference.GRPCInferenceService", "ModelInfer")
    assert counted(observed.folder)["acme", *method, MODEL, "1", "champion", "OK"] == 3
    assert counted(observed.folder)["", "_OTHER", "_OTHER", "", "", "", "UNIMPLEMENTED"] == 1


async def test_a_call_that_is_cancelled_while_the_model_works_is_counted_once_as_that(observed: Observed) -> None:
    call = observed.infer(observed.long)
    await asyncio.sleep(0.3)
    call.cancel()
    await until(lambda: codes(observed.folder).total() > 0)
    await observed.infer()  # had the first one been counted again, it would be by now
    await until(lambda: codes(observed.folder).total() > 1)
    assert codes(observed.folder) == {"CANCELLED": 1, "OK": 1}


async def test_a_call_that_is_told_that_its_deadline_has_passed_is_counted_as_that_and_traced(
    observed: Observed,
) -> None:
    told, made = False, 0
    while not told and made < 5:  # where the machine stalls, the caller's own clock is the first to tell
        call = observed.infer(observed.long, ("traceparent", UNSAMPLED), timeout=LONG_SECONDS / 3)
        assert await refused(call) is grpc.StatusCode.DEADLINE_EXCEEDED
        made, told = made + 1, "before the model could answer" in await call.details()
    await until(lambda: codes(observed.folder).total() >= made)
    assert codes(observed.folder) == {"DEADLINE_EXCEEDED": made}
    record = await record_of(observed.folder, TRACE)
    assert (record["why"], record["code_name"], record["parent"]) == ("error", "DEADLINE_EXCEEDED", SPAN)
    assert [stage[0] for stage in record["stages"]][-1] == "inference", "where it failed"


async def test_a_call_whose_caller_traces_it_is_traced_under_the_same_trace(observed: Observed) -> None:
    await observed.infer(0.0, ("traceparent", SAMPLED), ("tracestate", "vendor=1"))
    record = await record_of(observed.folder, TRACE)
    assert (record["why"], record["parent"], record["state"]) == ("asked", SPAN, "vendor=1")
    assert (record["tenant"], record["model"], record["code_name"]) == ("acme", MODEL, "OK")
    names = [stage[0] for stage in record["stages"]]
    assert names[:3] == ["receive", "admission", "routing"]
    assert names[3:] == ["encode", "queue", "inference", "wake", "decision", "respond"]
    assert sum(stage[2] for stage in record["stages"]) == pytest.approx(record["seconds"], rel=1e-6)


async def test_a_good_call_whose_caller_does_not_trace_it_is_not_traced(observed: Observed) -> None:
    await observed.infer(0.0, ("traceparent", UNSAMPLED))
    await observed.infer(0.0, ("traceparent", SAMPLED.replace(TRACE, TRACE[::-1])))
    await record_of(observed.folder, TRACE[::-1])  # it came later
    written = "".join(path.read_text() for path in observed.folder.glob("*.traces.jsonl"))
    assert TRACE not in written


@asynccontextmanager
async def serving(kind: str, folder: Path, answer: Answer, most: int) -> AsyncIterator[Any]:
    """Runs a listener over one endpoint, which takes so many calls at once; yields a channel to it."""
    watch = Watch(folder, "gateway", Bounds(0.0, 600.0, {}), METHOD.__eq__)
    watch.start()
    table = {METHOD: Endpoint(METHOD, answer)}
    listener = KINDS[kind]("127.0.0.1:0", lambda: table, lambda _: None, 1 << 20, watch.telemetry, Traffic(most))
    async with grpc.aio.insecure_channel(await listener.start()) as channel:
        yield channel
    await listener.stop(0.1)
    watch.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_that_nobody_foresaw_is_one_line_of_the_log_which_names_its_trace(
    kind: str, tmp_path: Path
) -> None:
    async def fail(call: Call) -> bytes:
        raise KeyError(call.path)

    with capture_logs() as logs:
        async with serving(kind, tmp_path, fail, 10) as channel:
            assert await refused(channel.unary_unary(METHOD)(b"")) is grpc.StatusCode.INTERNAL
    told = [line for line in logs if line["event"] == "unexpected error"]
    assert len(told) == 1
    record = await record_of(tmp_path, told[0]["trace_id"])
    assert (record["span"], record["code_name"], record["path"]) == (told[0]["span_id"], "INTERNAL", METHOD)
    assert codes(tmp_path) == {"INTERNAL": 1}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_is_one_too_many_keeps_its_callers_trace(kind: str, tmp_path: Path) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def hold(call: Call) -> bytes:
        begun.set()
        await release.wait()
        return bytes(call.message)

    async with serving(kind, tmp_path, hold, 1) as channel:
        held = channel.unary_unary(METHOD)(b"x")
        await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
        call = channel.unary_unary(METHOD)(b"y", metadata=(("traceparent", SAMPLED),))
        assert await refused(call) is grpc.StatusCode.RESOURCE_EXHAUSTED
        release.set()
        assert await held == b"x"
    record = await record_of(tmp_path, TRACE)
    assert (record["parent"], record["code_name"], record["why"]) == (SPAN, "RESOURCE_EXHAUSTED", "asked")
