"""Data sets are made once, are whole or not there, and say what to do where they cannot be read."""

from pathlib import Path

import pandas as pd
import pytest

from hub.errors import HubError
from hub.training.dataset import read_or_create, write_parquet


def test_a_damaged_data_set_says_what_to_remove(tmp_path: Path) -> None:
    path = tmp_path / "applicants.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(HubError, match=r"applicants\.parquet is damaged .*remove it"):
        read_or_create(path, lambda: pytest.fail("it exists"))


def test_a_data_set_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "new/table.parquet"
    table = pd.DataFrame({"id": [1, 2]})
    read_or_create(path, lambda: table)
    assert read_or_create(path, pd.DataFrame).equals(table)


def test_a_write_that_fails_leaves_the_old_data_and_no_half_file(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_parquet(path, pd.DataFrame({"id": [1]}))
    with pytest.raises(ValueError, match="column names"):
        write_parquet(path, pd.DataFrame([[1, 2]], columns=["twice", "twice"]))
    assert list(tmp_path.iterdir()) == [path]
    assert list(pd.read_parquet(path)["id"]) == [1]
