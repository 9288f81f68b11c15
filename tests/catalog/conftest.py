"""A Valkey for each test that wants one."""

from collections.abc import Iterator

import pytest

from tests.catalog.valkey import Valkey, running


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """Runs a server without a password."""
    with running() as server:
        yield server
