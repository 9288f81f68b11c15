"""Sheets of all processes add up, whatever becomes of the processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import time

import numpy as np
import pytest

from gateway.telemetry.families import CALL_ROWS, CALLS, HEARTBEAT, IN_FLIGHT
from gateway.telemetry.reading import SheetReader
from tests.operations.telemetry_data import MODEL, PATH, Worker

LABELS = ("acme", *PATH.strip("/").split("/"), MODEL, "2", "champion")
KILLED = """
import sys
from pathlib import Path
from tests.operations.telemetry_data import Worker

worker = Worker(Path(sys.argv[1]))
for _ in range(1000):
    worker.count(0.004)
worker.beat(in_flight=7)
print("counted", flush=True)
sys.stdin.read()
"""


def calls_of(reader: SheetReader) -> tuple[int, float]:
    """Returns how many calls went well, and the sum of their durations."""
    numbers = reader.take().numbers(CALLS, *LABELS, "OK")
    return int(numbers[1:].sum()), float(numbers[0])


def test_sheets_of_all_processes_add_up(tmp_path: Path) -> None:
    for number, worker in enumerate([Worker(tmp_path), Worker(tmp_path)], 1):
        for _ in range(number * 10):
            worker.count(0.25)
    reader = SheetReader(tmp_path)
    assert calls_of(reader) == (30, 7.5)
    assert reader.take().numbers(CALL_ROWS, *LABELS).tolist() == [240.0]
    reader.close()


def test_what_a_killed_process_counted_stays_and_its_successor_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    reader = SheetReader(tmp_path)
    assert calls_of(reader)[0] == 1000
    heir = Worker(tmp_path)
    assert heir.name == "gateway-0"
    heir.count(0.004)
    calls, seconds = calls_of(reader)
    assert calls == 1001
    assert seconds == pytest.approx(4.004)
    reader.close()


def test_gauges_of_silent_processes_are_not_told_and_their_counts_are(tmp_path: Path) -> None:
    now = time()
    for beat in (now - 11, now - 9):
        worker = Worker(tmp_path)
        worker.count(0.1)
        worker.beat(beat, in_flight=5)
    snapshot = SheetReader(tmp_path).take(now)
    assert snapshot.gauges[IN_FLIGHT.name] == {("gateway-1",): 5.0}
    assert snapshot.gauges[HEARTBEAT.name] == {("gateway-1",): now - 9}
    assert snapshot.numbers(CALLS, *LABELS, "OK")[1:].sum() == 2


def test_series_that_come_later_leave_earlier_snapshots_as_they_were(tmp_path: Path) -> None:
    worker, reader = Worker(tmp_path), SheetReader(tmp_path)
    worker.count(0.1)
    before = reader.take()
    worker.count(0.1, tenant="globex")
    other = Worker(tmp_path)
    other.count(0.1)
    after = reader.take()
    new = ("globex", *LABELS[1:], "OK")
    assert before.numbers(CALLS, *LABELS, "OK")[1:].sum() == 1
    assert new not in before.places[CALLS.name]
    assert not before.numbers(CALLS, *new).any()
    assert after.numbers(CALLS, *LABELS, "OK")[1:].sum() == 2
    assert after.numbers(CALLS, *new)[1:].sum() == 1


def test_a_sheet_that_is_emptied_while_it_is_read_ends_nobody(tmp_path: Path) -> None:
    worker, reader = Worker(tmp_path), SheetReader(tmp_path)
    worker.count(0.1)
    reader.take()
    worker.sheet.close()
    os.truncate(tmp_path / "gateway-0.sheet", 0)
    assert not np.any(reader.take().values)
    renewed = Worker(tmp_path)
    renewed.count(0.1)
    renewed.count(0.1)
    assert calls_of(reader)[0] == 2


@pytest.mark.parametrize("content", [b"", b"x" * 10_000, b"gapura-t" + b"\xff" * 8192])
def test_what_is_no_sheet_is_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "gateway-7.sheet").write_bytes(content)
    (tmp_path / "other.sheet").mkdir()
    Worker(tmp_path).count(0.1)
    assert calls_of(SheetReader(tmp_path))[0] == 1


def test_a_folder_that_is_not_there_yet_has_nothing(tmp_path: Path) -> None:
    reader = SheetReader(tmp_path / "later")
    assert not len(reader.take().values)
    Worker(tmp_path / "later").count(0.1)
    assert calls_of(reader)[0] == 1
