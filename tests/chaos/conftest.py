"""Two real Triton nodes, a real gateway before them, and callers who check every answer."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
import pandas as pd
import pytest
from erpml.catalog.v1 import catalog_pb2
from tritonclient.grpc import service_pb2

from benchmarks.steady_load import SteadyLoad
from tests.conftest import Published
from tests.e2e.serving import add_tenant, scratch_environment, serve
from tests.triton.nodes import RunningNode, running_node, stub_of

MODEL = "team3_credit_scoring"
ASKED = 64
WELL_SECONDS = 60.0  # an ejected node is tried again after half of it at most


@dataclass(frozen=True, slots=True)
class Arena:
    """What is there to be broken.

    Attributes:
        nodes: Two nodes, both with the credit model.
        repository: Of both.
        address: Of the gateway.
        api_key: Of a tenant that may call the model.
        requests: One applicant each.
        expected: What a node answers to each, when asked alone.
        log: What the gateway says, line by line.
    """

    nodes: tuple[RunningNode, RunningNode]
    repository: Path
    address: str
    api_key: str
    requests: list[bytes]
    expected: list[bytes]
    log: list[dict[str, Any]] = field(default_factory=list)

    def load(self, *, timeout_seconds: float = 5.0) -> SteadyLoad:
        """Returns 64 callers; with their pauses they leave the machine some air."""
        return SteadyLoad(
            self.address,
            self.requests,
            lambda number, answer: "" if answer == self.expected[number] else "another answer than the node's own",
            api_key=self.api_key,
            pause_seconds=0.05,
            timeout_seconds=timeout_seconds,
        )

    def rows_answered_by(self, node: RunningNode) -> int:
        """Returns how many rows a node's model has answered since it was loaded."""
        with stub_of(node.address) as stub:
            statistics = stub.ModelStatistics(service_pb2.ModelStatisticsRequest(name=MODEL), timeout=5)
        return sum(model.inference_count for model in statistics.model_stats)


def read_requests(published: Published) -> list[bytes]:
    """Returns one request for each of some held-out applicants."""
    catalog = catalog_pb2.Catalog.FromString(published.catalog.read_bytes())
    tensor = catalog.models[0].versions[0].signature.inputs[0]
    rows = pd.read_parquet(published.held_out)[list(tensor.columns)].head(ASKED).to_numpy("<f8")
    requests = []
    for row in rows:
        request = service_pb2.ModelInferRequest(model_name=MODEL, raw_input_contents=[row.tobytes()])
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=[1, len(tensor.columns)])
        requests.append(request.SerializeToString())
    return requests


def answers_of(node: RunningNode, requests: list[bytes]) -> list[bytes]:
    """Asks a node itself."""
    with stub_of(node.address) as stub:
        return [
            stub.ModelInfer(service_pb2.ModelInferRequest.FromString(request), timeout=10).SerializeToString()
            for request in requests
        ]


def read_log(process: subprocess.Popen[str], log: list[dict[str, Any]]) -> None:
    """Collects what a gateway says until it ends."""
    assert process.stderr is not None
    with suppress(ValueError):  # it was closed
        log.extend(map(json.loads, process.stderr))


@pytest.fixture(scope="module")
def nodes(
    published: Published, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, tuple[RunningNode, RunningNode]]]:
    """Starts two nodes over a copy of the published repository."""
    place = tmp_path_factory.mktemp("chaos")
    repository = shutil.copytree(published.repository, place / "models")
    with running_node(repository, place / "one") as one, running_node(repository, place / "two") as two:
        yield repository, (one, two)


@pytest.fixture(scope="module")
def shared_arena(published: Published, nodes: tuple[Path, tuple[RunningNode, RunningNode]]) -> Iterator[Arena]:
    """Starts a gateway over both nodes."""
    repository, both = nodes
    key = add_tenant(published.environment, f"chaos-{both[0].node.grpc_port}", MODEL)
    addresses = ",".join(node.address for node in both)
    requests = read_requests(published)
    environment = scratch_environment(
        published.environment, BACKEND="triton", NODES=addresses, REPOSITORY=str(repository)
    )
    with serve(environment) as (process, address):
        arena = Arena(both, repository, address, key, requests, answers_of(both[0], requests))
        reader = threading.Thread(target=read_log, args=(process, arena.log), daemon=True)
        reader.start()
        yield arena


@pytest.fixture
def arena(shared_arena: Arena) -> Arena:
    """Gives the arena to a test once everything in it is well: both nodes take load."""
    before = [rows_or_none(shared_arena, node) for node in shared_arena.nodes]
    deadline = monotonic() + WELL_SECONDS
    with stub_of(shared_arena.address) as stub:
        while any(
            rows_or_none(shared_arena, node) in (None, rows)
            for node, rows in zip(shared_arena.nodes, before, strict=True)
        ):
            assert monotonic() < deadline, "the test before left something broken"
            for request in shared_arena.requests[:16]:
                with suppress(grpc.RpcError):
                    stub.ModelInfer(
                        service_pb2.ModelInferRequest.FromString(request),
                        metadata=(("x-api-key", shared_arena.api_key),),
                        timeout=2,
                    )
    shared_arena.log.clear()
    return shared_arena


def rows_or_none(arena: Arena, node: RunningNode) -> int | None:
    """Returns how many rows a node has answered; nothing where it cannot say."""
    try:
        return arena.rows_answered_by(node)
    except grpc.RpcError:
        return None
