"""`gapura bench` itself: what its options mean, wherever they stand, and how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from gapura_bench import commands
from gapura_supervisor.processes import MARK, marked

from tests.conftest import ROOT
from tests.triton.nodes import wait_until


@pytest.mark.parametrize("arguments", [["--quick", "--results", "kept", "soak"], ["soak", "--results=kept", "--quick"]])
def test_options_count_before_a_suite_as_they_do_behind_it(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def carry_out(suite: str, results: Path | None, only: tuple[str, ...] = (), *, quick: bool) -> list[str]:
        asked.extend((suite, results, only, quick))
        return []

    monkeypatch.setattr(commands, "carry_out", carry_out)
    assert CliRunner().invoke(commands.bench, arguments).exit_code == 0
    assert asked == ["soak", Path("kept"), (), True]


def test_what_a_suite_has_started_ends_with_it(tmp_path: Path) -> None:
    environment = {**os.environ, MARK: f"{tmp_path}/"}
    command = [
        sys.executable,
        "-m",
        "gateway",
        "bench",
        "overhead",
        "--only=starts",
        "--quick",
        f"--results={tmp_path}",
    ]
    suite = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: len(list(marked(f"{tmp_path}/"))) > 1, 60)
    finally:
        suite.send_signal(signal.SIGTERM)
    printed, _ = suite.communicate(timeout=60)
    assert printed.endswith(b"Aborted!\n")
    assert not list(marked(f"{tmp_path}/"))
