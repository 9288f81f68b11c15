"""What a process tells of itself: gauges that follow its parts, counts that grow with them, and its state in a file."""

import asyncio
import json
from pathlib import Path
from time import time
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from gateway.logs import configure_logs, level_of
from gateway.telemetry.families import (
    FEATURE_STATUS,
    GENERATION,
    HEARTBEAT,
    LAG,
    NODE_READY,
    WAITING,
    Family,
)
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.layout import Labels
from gateway.telemetry.levels import FILE, Levels
from gateway.telemetry.pulse import Pulse
from gateway.telemetry.sheet import Sheet, open_sheet

NODE = {"address": "a:1", "model": "m", "version": 1, "ready": True, "ejected": False, "outstanding_rows": 4}
LANE = {"model": "m", "version": 1, "waiting_rows": 7, "under_way": 1, "slots": 2}


@pytest.fixture
def sheet(tmp_path: Path) -> Sheet:
    return open_sheet(tmp_path, "gateway")


@pytest.fixture
def pulse(tmp_path: Path, sheet: Sheet) -> Pulse:
    return Pulse(tmp_path, {"worker": "gateway-0", "role": "gateway"}, Instruments(sheet))


def told(sheet: Sheet, family: Family) -> dict[Labels, float]:
    return {series.labels: series.values[0] for series in sheet.series() if series.family is family}


async def test_gauges_follow_the_parts(sheet: Sheet, pulse: Pulse) -> None:
    nodes: list[dict[str, Any]] = [NODE, {**NODE, "address": "b:1", "ejected": True}]
    pulse.parts |= {"nodes": lambda: nodes, "lanes": lambda: [LANE], "catalog": lambda: {"generation": 5}}
    await pulse.tell()
    assert told(sheet, NODE_READY) == {("a:1", "m", "1"): 1.0, ("b:1", "m", "1"): 0.5}
    assert told(sheet, WAITING) == {("m", "1"): 7.0}
    assert told(sheet, GENERATION) == {(): 5.0}
    nodes[:] = [{**NODE, "ready": False}]
    await pulse.tell()
    assert told(sheet, NODE_READY) == {("a:1", "m", "1"): 0.0}


async def test_a_process_does_not_say_what_an_earlier_one_said(tmp_path: Path, sheet: Sheet, pulse: Pulse) -> None:
    pulse.parts["nodes"] = lambda: [NODE]
    await pulse.tell()
    sheet.close()
    after = open_sheet(tmp_path, "gateway")
    assert told(after, NODE_READY)
    Pulse(tmp_path, {"worker": "gateway-0"}, Instruments(after))
    assert not told(after, NODE_READY)


async def test_counts_of_parts_outlive_their_process(tmp_path: Path, sheet: Sheet, pulse: Pulse) -> None:
    statuses = {"FRESH": 10}
    pulse.parts["features"] = lambda: {"statuses": statuses}
    await pulse.tell()
    statuses["FRESH"] = 15
    await pulse.tell()
    sheet.close()
    after = open_sheet(tmp_path, "gateway")
    another = Pulse(tmp_path, {"worker": "gateway-0"}, Instruments(after))
    another.parts["features"] = lambda: {"statuses": {"FRESH": 3}}
    await another.tell()
    assert told(after, FEATURE_STATUS) == {("FRESH",): 18.0}


async def test_the_state_is_in_a_file_until_the_process_ends(tmp_path: Path, pulse: Pulse) -> None:
    pulse.parts["calls_in_flight"] = lambda: 3
    await pulse.tell()
    path = tmp_path / "gateway-0.state.json"
    state = json.loads(path.read_text())
    assert (state["worker"], state["calls_in_flight"]) == ("gateway-0", 3)
    assert state["written_ns"] / 1e9 == pytest.approx(time(), abs=30)
    pulse.close()
    assert not path.exists()


async def test_a_part_that_fails_is_logged_and_the_others_are_told_again(sheet: Sheet, pulse: Pulse) -> None:
    pulse.parts["lanes"] = lambda: 1 / 0
    with capture_logs() as logs:
        running = asyncio.create_task(pulse.run(lambda: None))
        async with asyncio.timeout(30):
            while not logs:
                await asyncio.sleep(0.05)
        running.cancel()
    assert logs[0]["event"] == "state cannot be told"
    assert told(sheet, HEARTBEAT)[()] == pytest.approx(time(), abs=30)
    assert sum(next(series.values[1:] for series in sheet.series() if series.family is LAG)) > 0


def test_the_level_of_the_log_follows_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("warning")
    levels, log = Levels(tmp_path), structlog.get_logger("a part")
    log.info("too quiet")
    (tmp_path / FILE).write_text("debug\n")
    levels.look()
    log.debug("heard")
    (tmp_path / FILE).write_text("loud")
    levels.look()
    assert levels.live == level_of() == "debug"
    written = capsys.readouterr().err
    assert "too quiet" not in written
    assert [word in written for word in ("log level changed", "heard", "no such log level")] == [True] * 3
