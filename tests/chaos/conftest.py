"""Two real Triton nodes, a real gateway before them, and callers who check every answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Arena:
    """What is there to be broken.

    Attributes:
        nodes: Two nodes, both with the credit model.
        address: Of the gateway.
        api_key: Of a tenant that may call the model.
        requests: One applicant each.
        expected: What a node answers to each, when asked alone.
    """

    nodes: tuple[RunningNode, RunningNode]
    address: str
    api_key: str
    requests: list[bytes]
    expected: list[bytes]

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


@pytest.fixture
def nodes(published: Published, tmp_path: Path) -> Iterator[tuple[RunningNode, RunningNode]]:
    """Starts two nodes over the published repository."""
    with (
        running_node(published.repository, tmp_path / "one") as one,
        running_node(published.repository, tmp_path / "two") as two,
    ):
        yield one, two


@pytest.fixture
def arena(published: Published, nodes: tuple[RunningNode, RunningNode]) -> Iterator[Arena]:
    """Starts a gateway over both nodes."""
    key = add_tenant(published.environment, f"chaos-{nodes[0].node.grpc_port}", MODEL)
    addresses = ",".join(node.address for node in nodes)
    requests = read_requests(published)
    expected = answers_of(nodes[0], requests)
    with serve(scratch_environment(published.environment, BACKEND="triton", NODES=addresses)) as (_, address):
        yield Arena(nodes, address, key, requests, expected)
