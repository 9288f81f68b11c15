"""A real server and a request that it takes."""

from collections.abc import Iterator

import pytest
from erpml.finance.v1.credit_service_pb2 import ScoreCreditRequest

from tests.client.credit_server import CreditServer, serving


@pytest.fixture
def server() -> Iterator[CreditServer]:
    """A credit service whose behaviour the test scripts."""
    with serving() as running:
        yield running


@pytest.fixture
def applicant() -> ScoreCreditRequest:
    """An applicant of 45 years."""
    return ScoreCreditRequest(customer_id="C-1", age_years=45)
