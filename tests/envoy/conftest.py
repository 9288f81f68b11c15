"""Workers as the edge has them, over the model that `gapura publish` left, and an Envoy before them."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import grpc
import pytest
from erpml.finance.v1 import credit_service_pb2, credit_service_pb2_grpc
from gapura_envoy.contracts import read_contracts
from gapura_envoy.testing import RunningEdge, end, running_edge

from tests.conftest import Published
from tests.e2e.serving import add_tenant, scratch_environment, wait_for

APPLICANT: dict[str, Any] = {
    "customer_id": "c1",
    "revolving_utilization": 0.5,
    "age_years": 40,
    "times_past_due_30_59_days": 0,
    "debt_ratio": 0.3,
    "monthly_income": 5000,
    "open_credit_lines": 3,
    "times_past_due_90_days": 0,
    "real_estate_loans": 1,
    "times_past_due_60_89_days": 0,
    "dependents": 1,
}
PATH = "/api/ml/credit-scoring"


@dataclass(frozen=True, slots=True)
class Backstage:
    """What stands behind the edge.

    Attributes:
        folder: Of sockets.
        environment: Of workers.
        api_key: Of a tenant that may call the model.
    """

    folder: Path
    environment: dict[str, str]
    api_key: str

    @contextmanager
    def worker(self, name: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """Runs a worker; yields its address and process."""
        address = f"unix:{self.folder}/{name}"
        command = [sys.executable, "-m", "gateway", "serve", "--listener", "native", "--listen", address]
        process = subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True)
        try:
            wait_for(process, "listening")
            yield address, process
        finally:
            end(process)
            if process.stderr is not None:
                process.stderr.close()


@pytest.fixture(scope="session")
def backstage(published: Published) -> Iterator[Backstage]:
    """Makes a tenant and a folder whose name is short enough for sockets."""
    key = add_tenant(published.environment, "envoy3", "team3_*")
    with tempfile.TemporaryDirectory(prefix="edge-") as folder:
        yield Backstage(Path(folder), scratch_environment(published.environment, DRAIN_SECONDS="3"), key)


@pytest.fixture(scope="session")
def workers(backstage: Backstage) -> Iterator[list[str]]:
    """Runs two workers for all tests that leave them alone."""
    with ExitStack() as stack:
        yield [stack.enter_context(backstage.worker(name))[0] for name in ("one", "two")]


@pytest.fixture(scope="session")
def contracts() -> list[bytes]:
    """Returns the contracts of this release."""
    return read_contracts(Path("none"))


@pytest.fixture(scope="session")
def edge(workers: list[str], contracts: list[bytes]) -> Iterator[RunningEdge]:
    """Runs an Envoy for all tests that leave it alone."""
    with running_edge(workers, contracts, message_mib=1) as running:
        yield running


@pytest.fixture
def channel(edge: RunningEdge) -> Iterator[grpc.Channel]:
    """Opens a channel to the edge."""
    with grpc.insecure_channel(edge.address) as opened:
        yield opened


@pytest.fixture
def metadata(backstage: Backstage) -> tuple[tuple[str, str], ...]:
    """Returns what a caller sends to be known."""
    return (("x-api-key", backstage.api_key),)


def applicant() -> credit_service_pb2.ScoreCreditRequest:
    """Returns the applicant as gRPC has it."""
    return credit_service_pb2.ScoreCreditRequest(**APPLICANT)


def score(channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]) -> credit_service_pb2.ScoreCreditResponse:
    """Scores the applicant."""
    answer: credit_service_pb2.ScoreCreditResponse = credit_service_pb2_grpc.CreditServiceStub(channel).ScoreCredit(
        applicant(), metadata=metadata, timeout=10
    )
    return answer


def post(edge: RunningEdge, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    """Sends JSON; returns HTTP status and what came back."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(f"http://{edge.address}{path}", body, {"content-type": "application/json", **named})
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - http
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)
