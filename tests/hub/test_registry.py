"""The registry says at once when it cannot be opened; MLflow alone would try for minutes."""

from pathlib import Path

import pytest

from hub.errors import HubError
from hub.registry import ModelRegistry
from hub.training.dataset import read_or_create


def test_a_registry_that_cannot_be_opened_says_so_at_once(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, however long one looks at it")
    for path in (tmp_path, tmp_path / "text.db", Path("/proc/nowhere/mlflow.db")):
        with pytest.raises(HubError, match="cannot be opened: .*GAPURA_MLFLOW_URI"):
            ModelRegistry(f"sqlite:///{path}")


def test_a_damaged_data_set_says_what_to_remove(tmp_path: Path) -> None:
    path = tmp_path / "applicants.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(HubError, match=r"applicants\.parquet is damaged .*remove it"):
        read_or_create(path, lambda: pytest.fail("it exists"))
