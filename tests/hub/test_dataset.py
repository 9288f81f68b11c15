"""A data set that cannot be read says what to do."""

from pathlib import Path

import pytest

from hub.errors import HubError
from hub.training.dataset import read_or_create


def test_a_damaged_data_set_says_what_to_remove(tmp_path: Path) -> None:
    path = tmp_path / "applicants.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(HubError, match=r"applicants\.parquet is damaged .*remove it"):
        read_or_create(path, lambda: pytest.fail("it exists"))
