"""Every call that fails or is slow, whatever is done to nodes and models meanwhile, has a whole trace."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from erpml.catalog.v1 import catalog_pb2
from gapura_triton.fleet import start_node, stop_node
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import service_pb2

from benchmarks.arena import write_tenants_of
from benchmarks.gateway_process import running_gateway
from benchmarks.models import IR_VERSION, OPSET, BenchModel, write_models
from gateway.telemetry.families import CALLS, DROPPED, SECONDS, Family
from gateway.telemetry.layout import Series, read_series
from gateway.telemetry.words import SERVER_ERROR_NAMES
from tests.chaos.traced_calls import TracedCalls
from tests.triton.nodes import RunningNode, running_node

MODEL = "team9_table"
KNOWN = 8  # values that the model can look up; it fails on any other
REQUESTS = 50  # one of which fails
SLOW_SECONDS = 0.2
DEADLINE_SECONDS = 1.0
PATIENT_SECONDS = 10.0
WITHIN = 0.02

Record = dict[str, Any]


def table_model() -> BenchModel:
    """Returns a model that looks numbers up in a table, and fails on those that do not stand there."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 1]) for name in ("x", "y")]
    table = numpy_helper.from_array(np.arange(KNOWN, dtype=np.float32), "table")
    nodes = [
        helper.make_node("Cast", ["x"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "place"], ["y"]),
    ]
    graph = helper.make_graph(nodes, MODEL, ports[:1], ports[1:], [table])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    tensors = [catalog_pb2.Tensor(name=name, datatype="FP32", dims=[1]) for name in ("x", "y")]
    return BenchModel(MODEL, made.SerializeToString(), catalog_pb2.Signature(inputs=tensors[:1], outputs=tensors[1:]))


def request_of(number: int) -> bytes:
    """Returns a call of one row; that of number 0 fails."""
    request = service_pb2.ModelInferRequest(model_name=MODEL)
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[1, 1])
    tensor.contents.fp32_contents.append(float(number % KNOWN if number else KNOWN))
    return bytes(request.SerializeToString())


@dataclass(frozen=True, slots=True)
class Ground:
    """What gateways are started over.

    Attributes:
        nodes: Two nodes that have the model.
        settings: Of a gateway, as environment variables.
        api_key: Of a tenant.
    """

    nodes: tuple[RunningNode, RunningNode]
    settings: dict[str, str]
    api_key: str


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Starts the nodes."""
    folder = tmp_path_factory.mktemp("traces")
    write_models([table_model()], folder / "models", folder / "catalog.binpb")
    key = write_tenants_of(folder / "tenants.yaml", {"chaos": {}})["chaos"]
    with ExitStack() as stack:
        one, two = (stack.enter_context(running_node(folder / "models", folder / name)) for name in ("one", "two"))
        settings = {
            "GAPURA_BACKEND": "triton",
            "GAPURA_NODES": f"{one.address},{two.address}",
            "GAPURA_REPOSITORY": str(folder / "models"),
            "GAPURA_CATALOG": str(folder / "catalog.binpb"),
            "GAPURA_CONTRACTS": str(folder / "contracts"),
            "GAPURA_TENANTS": str(folder / "tenants.yaml"),
            "GAPURA_USAGE": str(folder / "usage"),
            "GAPURA_TRACE_RATIO": "0",
            "GAPURA_SLOW_MS": str(1000 * SLOW_SECONDS),
            "GAPURA_IN_FLIGHT": "100",
        }
        yield Ground((one, two), settings, key)


@asynccontextmanager
async def gateway_of(ground: Ground, listener: str, telemetry: Path) -> AsyncIterator[str]:
    """Runs a gateway; yields its address. Afterwards it has ended, and has written all that it knows."""
    environment = {**os.environ, **ground.settings, "GAPURA_LISTENER": listener, "GAPURA_TELEMETRY": str(telemetry)}
    running = running_gateway(environment)
    _, address = await asyncio.to_thread(running.__enter__)
    try:
        yield address
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def make_trouble(ground: Ground, calls: TracedCalls) -> None:
    """Does everything to the nodes that makes calls fail or wait."""
    async with calls.calling(32, 0.02, PATIENT_SECONDS):
        await asyncio.sleep(1.5)
        await suspend(ground, 1.0)
        os.kill(ground.nodes[0].pid, signal.SIGKILL)
        await asyncio.sleep(2.0)
    async with calls.calling(200, 0.0, DEADLINE_SECONDS):
        await asyncio.sleep(1.0)
        await suspend(ground, 2 * DEADLINE_SECONDS)
    async with calls.calling(32, 0.05, PATIENT_SECONDS):
        for each in ground.nodes:
            await asyncio.to_thread(stop_node, each.node)
        await asyncio.sleep(1.0)
    for each in ground.nodes:
        await asyncio.to_thread(start_node, each.node.folder, each.node.home, each.node.repository)


async def suspend(ground: Ground, seconds: float) -> None:
    """Lets no node do anything for a while."""
    processes = [each.pid for each in ground.nodes]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    for pid in processes:
        os.kill(pid, signal.SIGCONT)
    await asyncio.sleep(1.0)


class Told:
    """What a gateway has told.

    Args:
        folder: Of its telemetry.

    Attributes:
        calls: Records of calls, by trace.
        batches: Records of batches, by trace and span.
        series: Every series.
    """

    def __init__(self, folder: Path) -> None:
        lines = [line for path in folder.glob("*.traces*.jsonl") for line in path.read_text().splitlines()]
        records = [json.loads(line) for line in lines]
        self.calls: dict[str, Record] = {each["trace"]: each for each in records if each["kind"] == "call"}
        self.batches = {(each["trace"], each["span"]): each for each in records if each["kind"] == "batch"}
        self.series: list[Series] = [each for path in folder.glob("*.sheet") for each in read_series(path.read_bytes())]

    def of(self, family: Family) -> list[Series]:
        """Returns the series of a family."""
        return [each for each in self.series if each.family is family]

    def failed(self) -> Counter[str]:
        """Returns how many calls were counted with each code of a server that failed."""
        codes: Counter[str] = Counter()
        for each in self.of(CALLS):
            if each.labels[-1] in SERVER_ERROR_NAMES:
                codes[each.labels[-1]] += int(sum(each.values[1:]))
        return codes

    def slow(self) -> int:
        """Returns how many calls were counted beyond the bound."""
        beyond = 1 + SECONDS.index(SLOW_SECONDS) + 1
        return int(sum(sum(each.values[beyond:]) for each in self.of(CALLS)))

    def dropped(self) -> float:
        """Returns how many traces were dropped."""
        return sum(each.values[0] for each in self.of(DROPPED))


def broken_links(told: Told) -> Iterator[str]:
    """Says which links between calls and batches lead nowhere, or are not returned."""
    for call in told.calls.values():
        inference = next((span for name, _, _, span in call["stages"] if name == "inference"), None)
        me = (call["trace"], call["span"], inference)
        for link in call["batches"]:
            batch = told.batches.get((link["trace"], link["span"]), {"links": []})
            if me not in [(each["trace"], each["span"], each["inference"]) for each in batch["links"]]:
                yield f"{call} is not linked to by {batch}"
    for place, batch in told.batches.items():
        for link in batch["links"]:
            batches = told.calls.get(link["trace"], {"batches": []})["batches"]
            if place not in [(each["trace"], each["span"]) for each in batches]:
                yield f"{batch} links to {link}, which does not know it"


def is_whole(call: Record) -> bool:
    """Says whether the stages of a call follow each other, and are all of its time."""
    at = 0.0
    for _, offset, seconds, _ in call["stages"]:
        if seconds < 0 or abs(offset - at) > WITHIN * call["seconds"]:
            return False
        at = offset + seconds
    return bool(abs(at - call["seconds"]) <= WITHIN * call["seconds"])


@pytest.mark.parametrize("listener", ["native", "grpcio"])
async def test_every_call_that_fails_or_is_slow_has_a_whole_trace(
    listener: str, ground: Ground, tmp_path: Path
) -> None:
    async with gateway_of(ground, listener, tmp_path) as address:
        calls = TracedCalls(address, ground.api_key, [request_of(number) for number in range(REQUESTS)])
        await make_trouble(ground, calls)
    told = Told(tmp_path)

    codes = {each.code for each in calls.ended if each.told}
    assert codes >= {"OK", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}, "all of it happened"
    assert told.slow() > 0
    assert told.dropped() == 0

    failed = [each for each in calls.ended if each.told and each.code in SERVER_ERROR_NAMES]
    assert [each for each in failed if told.calls.get(each.trace, {}).get("code_name") != each.code] == []
    assert Counter(each["code_name"] for each in told.calls.values() if each["why"] == "error") == told.failed()
    assert sum(each["seconds"] > SLOW_SECONDS for each in told.calls.values()) == told.slow()
    good = [each for each in told.calls.values() if each["why"] != "error" and each["seconds"] <= SLOW_SECONDS]
    assert good == [], "nothing else is traced"

    assert [each for each in told.calls.values() if not is_whole(each)] == []
    assert list(broken_links(told)) == []
    assert any(len(each["batches"]) > 1 for each in told.calls.values()), "batches were tried apart"
    assert any(len(each["tries"]) > 1 for each in told.batches.values()), "another node was tried"
