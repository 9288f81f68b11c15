"""`gapura top`: the same figures in a terminal."""

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from click.testing import CliRunner
from rich.console import Console

from gateway.commands.log_level import log_level
from gateway.commands.top import top
from gateway.operations.states import read_states
from gateway.operations.terminal import draw
from gateway.telemetry.levels import FILE
from tests.operations.story import Story
from tests.operations.telemetry_data import Worker

COLUMNS = 200


def test_models_nodes_and_processes_are_in_the_tables(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.tell()
    window = story.history.window(300)
    assert window is not None
    console = Console(width=COLUMNS, no_color=True)
    with console.capture() as captured:
        console.print(draw(window, read_states(tmp_path), plain=True))
    lines = captured.get().splitlines()
    (challenger,) = [line.split() for line in lines if "challenger" in line and "credit" in line]
    assert challenger[:3] == ["team3_credit_scoring", "3", "challenger"]
    assert "2/12" in challenger
    assert sum(line.startswith("127.0.0.1:") for line in lines) == 3
    assert [line.split()[0] for line in lines if line.startswith("gateway-")] == ["gateway-0", "gateway-1"]
    assert "9 under way  2 processes" in lines[0]


def test_piped_it_prints_once_and_plain(tmp_path: Path) -> None:
    Worker(tmp_path).tell(log_level="info")
    result = CliRunner().invoke(top, env={"GAPURA_TELEMETRY": str(tmp_path)})
    assert result.exit_code == 0
    assert "gateway-0" in result.output
    assert "\x1b" not in result.output


def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    Worker(tmp_path).tell()
    ours, its = pty.openpty()
    environment = {**os.environ, "GAPURA_TELEMETRY": str(tmp_path), "TERM": "xterm"}
    command = [sys.executable, "-m", "gateway", "top"]
    process = subprocess.Popen(command, env=environment, stdin=its, stdout=its, stderr=subprocess.PIPE)
    os.close(its)
    shown = b""
    try:
        while b"processes" not in shown:
            shown += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # nobody is at the other end any more; until then, one who writes waits for a reader
            while True:
                shown += os.read(ours, 65_536)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
        os.close(ours)
    assert (process.returncode, told) == (0, b"")
    assert re.search(rb"\x1b\[\?1049h", shown)


def test_the_log_level_is_shown_and_changed(tmp_path: Path) -> None:
    Worker(tmp_path).tell(log_level="info")
    runner, environment = CliRunner(), {"GAPURA_TELEMETRY": str(tmp_path)}
    assert runner.invoke(log_level, env=environment).output == "asked for  nothing\ngateway-0  info\n"
    assert runner.invoke(log_level, ["DEBUG"], env=environment).exit_code == 0
    assert (tmp_path / FILE).read_text() == "debug\n"
    assert "asked for  debug" in runner.invoke(log_level, env=environment).output
    refused = runner.invoke(log_level, ["loud"], env=environment)
    assert refused.exit_code == 1
    assert "choose debug, info" in refused.output
