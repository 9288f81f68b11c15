"""The installation, made once and kept."""

from pathlib import Path

import pytest

from tests.triton.nodes import installed_home


@pytest.fixture(scope="session")
def triton_home() -> Path:
    """The launcher's home, with tritonserver installed."""
    return installed_home()
