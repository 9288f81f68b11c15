"""A Redis for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.catalog.valkey import Valkey, running


@pytest.fixture(scope="session")
def server() -> Iterator[Valkey]:
    with running() as valkey:
        yield valkey


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    """A Redis with nothing in it."""
    server.do("FLUSHALL")
    return server
