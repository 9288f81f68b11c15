"""What is measured: one Triton node, gateways before it, and Envoys before those and before the node."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gapura_envoy.contracts import read_contracts
from gapura_envoy.testing import running_edge

from benchmarks.arena import TENANT, running_node, write_tenants_of
from benchmarks.edge.certificates import make_certificate
from benchmarks.edge.workers import running_worker
from benchmarks.gbm import draw_rows
from benchmarks.lanes.field import DYNAMIC, SMALL, compose_models
from benchmarks.measuring.contestants import Asked, Contestant
from benchmarks.measuring.framing import LIVE, METHOD
from benchmarks.measuring.questions import Liveness, ask
from benchmarks.models import write_models

DIRECT, BEFORE, EDGE = "direct Triton", "Envoy before Triton", "edge, 1 worker"
BATCHING = "direct Triton, dynamic_batching"
NATIVE, GRPCIO, NATIVE_LIVE, GRPCIO_LIVE = "native", "grpcio", "native, ServerLive", "grpcio, ServerLive"
EDGE_TLS, EDGE_TWO, EDGE_TWO_TLS = "edge, 1 worker, TLS", "edge, 2 workers", "edge, 2 workers, TLS"
EDGE_BARE, EDGE_SILENT = "edge, no buffer", "edge, no access log"
WORKERS, QUESTIONS = 2, 40
Stages = dict[str, tuple[int, ...]]


@contextmanager
def open_ground() -> Iterator[dict[str, Contestant]]:
    """Starts everything; yields the contestants by name."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gapura-")))
        models = compose_models(heavy=False)
        write_models(models, folder / "models", folder / "catalog.binpb")
        headers = (("x-api-key", write_tenants_of(folder / "tenants.yaml", {TENANT: {}})[TENANT]),)
        node = stack.enter_context(running_node(folder, "node1"))
        environment = environment_of(folder, node.address)
        rows = draw_rows()[0][:QUESTIONS]
        questions: tuple[Asked, ...] = tuple(ask(SMALL, models[0].graph, rows))
        batched: tuple[Asked, ...] = tuple(ask(DYNAMIC, models[0].graph, rows))
        triton: Stages = {"Triton": (node.supervisor,) if node.supervisor is not None else ()}
        found = [
            Contestant(DIRECT, node.address, METHOD, questions, triton),
            Contestant(BATCHING, node.address, METHOD, batched, triton),
        ]
        for listener in ("native", "grpcio"):
            pid, address = stack.enter_context(running_worker(environment, listener, "127.0.0.1:0"))
            stages: Stages = {"workers": (pid,), **triton}
            found.append(Contestant(listener, address, METHOD, questions, stages, headers))
            found.append(Contestant(f"{listener}, ServerLive", address, LIVE, (Liveness(),), stages, headers))
        workers = [
            stack.enter_context(running_worker(environment, "native", f"unix:{folder}/worker{number}"))
            for number in range(WORKERS)
        ]
        edges = open_edges(stack, folder, headers, questions, workers, (node.address, triton))
        yield {contestant.name: contestant for contestant in (*found, *edges)}


def open_edges(  # noqa: PLR0913, PLR0917 - what they stand before
    stack: ExitStack,
    folder: Path,
    headers: tuple[tuple[str, str], ...],
    questions: tuple[Asked, ...],
    workers: list[tuple[int, str]],
    node: tuple[str, Stages],
) -> Iterator[Contestant]:
    """Starts the Envoys."""
    certificate, key = make_certificate(folder)
    tls: dict[str, Any] = {"certificate": certificate, "key": key}
    log = {"access_log": Path("access.log")}
    variants: dict[str, tuple[int, dict[str, Any]]] = {
        BEFORE: (0, log),
        EDGE: (1, log),
        EDGE_TLS: (1, log | tls),
        EDGE_TWO: (2, log),
        EDGE_TWO_TLS: (2, log | tls),
        EDGE_BARE: (1, log | {"buffer": False}),
        EDGE_SILENT: (1, {}),
    }
    contracts = read_contracts(folder / "contracts")
    for name, (count, settings) in variants.items():
        behind = [address for _, address in workers[:count]] or [node[0]]
        edge = stack.enter_context(running_edge(behind, contracts, **settings))
        pids = tuple(pid for pid, _ in workers[:count])
        stages = {"Envoy": (edge.process.pid,), **({"workers": pids} if pids else {}), **node[1]}
        authority = certificate if "certificate" in settings else None
        yield Contestant(name, edge.address, METHOD, questions, stages, headers, authority=authority)


def environment_of(folder: Path, node: str) -> dict[str, str]:
    """Returns the environment of gateways before a node."""
    return {
        **os.environ,
        "GAPURA_BACKEND": "triton",
        "GAPURA_NODES": node,
        "GAPURA_REPOSITORY": str(folder / "models"),
        "GAPURA_CATALOG": str(folder / "catalog.binpb"),
        "GAPURA_CONTRACTS": str(folder / "contracts"),
        "GAPURA_TENANTS": str(folder / "tenants.yaml"),
        "GAPURA_USAGE": str(folder / "usage"),
    }
