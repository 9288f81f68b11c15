"""Gapura as the peers meet it, over Triton and with the model inside; Triton alone, and behind Envoy."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gapura_envoy.contracts import read_contracts
from gapura_envoy.testing import running_edge

from benchmarks.arena import TENANT, running_node, write_tenants_of
from benchmarks.edge.ground import Stages, environment_of
from benchmarks.edge.workers import running_worker
from benchmarks.gbm import draw_rows, grow
from benchmarks.lanes.field import DYNAMIC_BATCHING
from benchmarks.measuring.contestants import Asked, Contestant
from benchmarks.measuring.framing import METHOD
from benchmarks.measuring.questions import ask
from benchmarks.models import BenchModel, write_models
from benchmarks.peers.model import QUESTIONS, RECIPE

GATEWAY, EMBEDDED, EDGE = "Gapura", "Gapura, embedded backend", "Gapura, protected edge"
DIRECT, BATCHING = "Triton alone", "Triton alone, dynamic_batching"
BEFORE = "Envoy before Triton, dynamic_batching"
OF_TRITON = {BATCHING, BEFORE}  # Triton makes their batches
MODEL, BATCHED = "team9_trees", "team9_batched"


@contextmanager
def open_ground() -> Iterator[dict[str, Contestant]]:
    """Starts everything; yields the contestants by name."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gapura-")))
        graph, signature = grow(RECIPE)
        batched = BenchModel(BATCHED, graph, signature, more_config=DYNAMIC_BATCHING)
        write_models([BenchModel(MODEL, graph, signature), batched], folder / "models", folder / "catalog.binpb")
        headers = (("x-api-key", write_tenants_of(folder / "tenants.yaml", {TENANT: {}})[TENANT]),)
        node = stack.enter_context(running_node(folder, "node1"))
        triton: Stages = {"Triton": (node.supervisor,) if node.supervisor is not None else ()}
        before_triton = environment_of(folder, node.address)
        embedded = {**before_triton, "GAPURA_BACKEND": "onnx", "GAPURA_NODES": ""}
        ways: list[tuple[str, str, Stages]] = [(DIRECT, node.address, triton), (BATCHING, node.address, triton)]
        for name, environment, behind in ((GATEWAY, before_triton, triton), (EMBEDDED, embedded, {})):
            pid, address = stack.enter_context(running_worker(environment, "native", "127.0.0.1:0"))
            ways.append((name, address, {"gateway": (pid,), **behind}))
        worker, socket = stack.enter_context(running_worker(before_triton, "native", f"unix:{folder}/worker"))
        contracts, log = read_contracts(folder / "contracts"), Path("access.log")
        for name, upstream, behind in (
            (EDGE, socket, {"gateway": (worker,), **triton}),
            (BEFORE, node.address, triton),
        ):
            envoy = stack.enter_context(running_edge([upstream], contracts, access_log=log))
            ways.append((name, envoy.address, {"Envoy": (envoy.process.pid,), **behind}))
        rows = draw_rows()[0][:QUESTIONS]
        asked: dict[str, tuple[Asked, ...]] = {model: tuple(ask(model, graph, rows)) for model in (MODEL, BATCHED)}
        yield {
            name: Contestant(name, address, METHOD, asked[BATCHED if name in OF_TRITON else MODEL], on, headers)
            for name, address, on in ways
        }
