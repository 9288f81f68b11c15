"""Reading: what can be relied on is read, and what cannot is told, once."""

import random
from datetime import date
from pathlib import Path

import pytest
import structlog.testing

from gateway.usage.book import UsageBook
from gateway.usage.layout import BLOCK_BYTES, HEADER_BYTES
from gateway.usage.reading import UsageFolder, day_of, team_of

TENANTS = 1000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of a thousand tenants with a call each."""
    book = UsageBook(tmp_path)
    for number in range(TENANTS):
        book.charge(f"tenant-{number}", "team3_credit_scoring", 1, 0.001)
    book.close()
    (path,) = tmp_path.iterdir()
    return path


def read(file: Path) -> tuple[list[str], list[str]]:
    """Returns tenants, and what is told of damage after two readings."""
    folder = UsageFolder(file.parent)
    with structlog.testing.capture_logs() as logged:
        tenants = [charge.tenant for charge in folder.charges()]
        assert [charge.tenant for charge in folder.charges()] == tenants
    return tenants, [entry["reason"] for entry in logged]


def test_a_whole_file_is_read_whole(file: Path) -> None:
    assert read(file) == ([f"tenant-{number}" for number in range(TENANTS)], [])


@pytest.mark.parametrize("size", [1, HEADER_BYTES - 1])
def test_a_file_without_whole_header_has_nothing(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])
    assert read(file) == ([], ["it is shorter than its header"])


@pytest.mark.parametrize("content", [b"", bytes(100), bytes(BLOCK_BYTES)])
def test_a_file_that_is_still_being_made_is_no_damage(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert read(file) == ([], [])


def test_a_file_that_was_cut_keeps_what_is_before_the_cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: HEADER_BYTES + 10 * 72 + 50])
    tenants, told = read(file)
    assert tenants == [f"tenant-{number}" for number in range(10)]
    assert told == ["the record at byte 784 is damaged"]


def test_damage_in_a_block_leaves_the_others_alone(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[HEADER_BYTES + 45] ^= 1  # in the name of the first tenant
    file.write_bytes(content)
    tenants, told = read(file)
    assert tenants[-1] == f"tenant-{TENANTS - 1}"
    assert 700 < len(tenants) < TENANTS - 200
    assert told == ["the record at byte 64 is damaged"]


def test_files_of_others_are_left_alone(file: Path) -> None:
    for name in ("notes.txt", "2026-13-45.host.1-ab.usage", "x.usage", ".hidden"):
        (file.parent / name).write_text("not ours")
    (file.parent / "2026-11-29.host.1-ab.usage").write_bytes(b"something else, and long enough for a header" * 9)
    (file.parent / "2026-11-29.host.2-ab.usage").mkdir()
    tenants, told = read(file)
    assert len(tenants) == TENANTS
    assert told == ["it is no usage file", "Is a directory"]


def test_a_file_of_a_later_format_is_told(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[8:16] = (2).to_bytes(8, "little")
    file.write_bytes(content)
    assert read(file) == ([], ["it has the format 2, and 1 is known"])


def test_no_damage_ends_a_reading(file: Path) -> None:
    whole, chance = file.read_bytes(), random.Random(7)  # noqa: S311 - no secret
    for _ in range(100):
        content = bytearray(whole)
        for _ in range(20):
            content[chance.randrange(len(content))] = chance.randrange(256)
        file.write_bytes(content[: chance.randrange(len(content))])
        read(file)


def test_a_folder_that_is_missing_has_nothing(tmp_path: Path) -> None:
    assert not list(UsageFolder(tmp_path / "none").charges())


def test_days_that_are_not_asked_for_are_not_read(file: Path) -> None:
    assert not list(UsageFolder(file.parent).charges(last=date(2020, 1, 1)))


def test_the_team_is_the_first_part_of_a_models_name() -> None:
    assert [team_of(name) for name in ("team3_credit_scoring", "iris", "_x")] == ["team3", "iris", ""]


def test_the_day_stands_in_the_name() -> None:
    assert day_of("2026-11-29.host.12-0af3.usage") == date(2026, 11, 29)
    assert day_of("2026-11-29.host.12-0af3.usage.bak") is None
