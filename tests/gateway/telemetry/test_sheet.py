"""Counts are in a file at once: whoever reads it sees them, and no end of a process loses one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.telemetry.families import CALL_ROWS, CALLS, IN_FLIGHT, LAG, SECONDS
from gateway.telemetry.instruments import MOST_SERIES, OTHER, Instruments
from gateway.telemetry.layout import HEADER_BYTES, Series, read_identity, read_series
from gateway.telemetry.sheet import Sheet, open_sheet

LABELS = ("acme", "a.B", "C", "m", "1", "champion")

KILLED = """
import os, signal, sys
from pathlib import Path
from gateway.telemetry.families import CALL_ROWS
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.sheet import open_sheet
counter = Instruments(open_sheet(Path(sys.argv[1]), "gateway")).counter(CALL_ROWS, *sys.argv[2:])
for _ in range(1000):
    counter.add(3)
os.kill(os.getpid(), signal.SIGKILL)
"""


def stored(folder: Path, name: str = "gateway-0") -> list[Series]:
    return read_series((folder / f"{name}.sheet").read_bytes())


def test_counts_are_in_the_file_at_once(tmp_path: Path) -> None:
    sheet = open_sheet(tmp_path, "gateway")
    counter = Instruments(sheet).counter(CALL_ROWS, *LABELS)
    counter.add(2)
    counter.add()
    assert stored(tmp_path) == [Series(CALL_ROWS, LABELS, (3.0,))] == sheet.series()


def test_a_histogram_has_its_sum_and_the_count_of_every_bucket(tmp_path: Path) -> None:
    histogram = Instruments(open_sheet(tmp_path, "gateway")).histogram(LAG)
    for value in (0.0, SECONDS[0], SECONDS[0] + 1e-9, 99.0):
        histogram.observe(value)
    total, *buckets = stored(tmp_path)[0].values
    assert total == pytest.approx(99.001, abs=1e-6)
    assert buckets == [2.0, 1.0, *[0.0] * (len(SECONDS) - 2), 1.0]


def test_a_killed_process_loses_no_count_and_the_next_goes_on(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), *LABELS], check=False)
    assert killed.returncode == -9
    before = stored(tmp_path)
    assert before == [Series(CALL_ROWS, LABELS, (3000.0,))]
    sheet = open_sheet(tmp_path, "gateway")
    Instruments(sheet).counter(CALL_ROWS, *LABELS).add()
    assert stored(tmp_path) == [Series(CALL_ROWS, LABELS, (3001.0,))]
    assert [path.name for path in tmp_path.iterdir()] == ["gateway-0.sheet"]


def test_processes_at_the_same_time_have_sheets_of_their_own(tmp_path: Path) -> None:
    sheets = [open_sheet(tmp_path, "gateway") for _ in range(3)]
    assert [sheet.identity.number for sheet in sheets] == [0, 1, 2]
    assert len({sheet.identity.instance for sheet in sheets}) == 3
    sheets[1].close()
    assert open_sheet(tmp_path, "gateway").identity == sheets[1].identity


def test_roles_do_not_go_on_with_each_other(tmp_path: Path) -> None:
    open_sheet(tmp_path, "gateway").close()
    assert open_sheet(tmp_path, "feature-store").identity.role == "feature-store"
    assert {path.name for path in tmp_path.iterdir()} == {"gateway-0.sheet", "feature-store-0.sheet"}


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\0" * HEADER_BYTES])
def test_a_file_that_is_no_sheet_becomes_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "gateway-0.sheet").write_bytes(content)
    sheet = open_sheet(tmp_path, "gateway")
    Instruments(sheet).gauge(IN_FLIGHT).set(7)
    assert stored(tmp_path) == [Series(IN_FLIGHT, (), (7.0,))]
    assert read_identity((tmp_path / "gateway-0.sheet").read_bytes()) == sheet.identity


def test_a_folder_that_cannot_be_used_costs_nothing_but_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sheet = open_sheet(tmp_path / "file", "gateway")
    Instruments(sheet).counter(CALL_ROWS, *LABELS).add()
    assert not sheet.mapped
    assert sheet.series() == [Series(CALL_ROWS, LABELS, (1.0,))]


def test_series_that_are_too_many_are_counted_together(tmp_path: Path) -> None:
    instruments = Instruments(open_sheet(tmp_path, "gateway"))
    for number in range(MOST_SERIES + 100):
        instruments.histogram(CALLS, f"tenant{number}", *LABELS[1:], "OK").observe(0.001)
    found = {series.labels: sum(series.values[1:]) for series in stored(tmp_path)}
    assert len(found) == MOST_SERIES + 1
    assert found[OTHER,] if len(CALLS.labels) == 1 else found[(OTHER,) * len(CALLS.labels)] == 100
    assert sum(found.values()) == MOST_SERIES + 100


def test_a_full_sheet_goes_on_with_what_it_has() -> None:
    sheet = open_sheet(Path(os.devnull), "gateway")
    instruments = Instruments(sheet)
    families = [CALLS] * 3
    for family in families:
        for number in range(MOST_SERIES):
            instruments.histogram(family, "x" * 2000, str(number), *LABELS[2:], "OK").observe(0.001)
    assert 0 < len(sheet.series()) <= MOST_SERIES + 1
    assert isinstance(sheet, Sheet)
