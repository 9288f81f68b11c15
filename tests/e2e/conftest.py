"""A gateway as an operator starts it, over the model that `gapura train` and `gapura publish` left."""

from collections.abc import Iterator
from dataclasses import dataclass

import gapura_client
import grpc
import pandas as pd
import pytest
import tritonclient.grpc as triton
from erpml.finance.v1 import credit_service_pb2_grpc

from hub.training.applicants import TARGET
from tests.conftest import Published
from tests.e2e.serving import add_tenant, serve


@dataclass(frozen=True, slots=True)
class Serving:
    """A gateway that runs in a process of its own.

    Attributes:
        address: Where it listens.
        api_key: Key of a tenant that may call team 3's models.
        foreign_key: Key of a tenant that may call team 4's.
        pid: Its process.
    """

    address: str
    api_key: str
    foreign_key: str
    pid: int


@pytest.fixture(scope="session")
def serving(published: Published) -> Iterator[Serving]:
    """Starts `gapura serve`; stops it by SIGTERM, and expects a clean end."""
    key = add_tenant(published.environment, "team3", "team3_*")
    foreign_key = add_tenant(published.environment, "team4", "team4_*")
    with serve(published.environment) as (process, address):
        yield Serving(address, key, foreign_key, process.pid)
    assert process.returncode == 0


@pytest.fixture
def channel(serving: Serving) -> Iterator[grpc.Channel]:
    """Opens a channel as callers do."""
    with gapura_client.connect(serving.address, api_key=serving.api_key) as opened:
        yield opened


@pytest.fixture
def credit(channel: grpc.Channel) -> credit_service_pb2_grpc.CreditServiceStub:
    """Returns the typed stub."""
    return credit_service_pb2_grpc.CreditServiceStub(channel)


@pytest.fixture
def tensors(serving: Serving) -> Iterator[triton.InferenceServerClient]:
    """Opens Triton's own client."""
    with triton.InferenceServerClient(serving.address) as client:
        yield client


@pytest.fixture(scope="session")
def held_out(published: Published) -> pd.DataFrame:
    """Returns 1,000 applicants that training never saw, of both outcomes, some with unknown income."""
    applicants = pd.read_parquet(published.held_out).head(1000).reset_index(drop=True)
    assert applicants[TARGET].nunique() == 2
    assert applicants["MonthlyIncome"].isna().any()
    return applicants
