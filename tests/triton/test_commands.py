"""The commands, as an operator types them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.triton.homes import linked_home
from tests.triton.repositories import write_sums


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables that make commands work in an empty folder."""
    write_sums(tmp_path / "models")
    return os.environ | {"GAPURA_VAR": str(tmp_path), "GAPURA_REPOSITORY": str(tmp_path / "models")}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "triton", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_node_is_started_shown_and_stopped(environment: dict[str, str], tmp_path: Path, triton_home: Path) -> None:
    linked_home(tmp_path / "triton", triton_home)
    assert run(environment, "status").stdout == "no nodes\n"
    assert run(environment, "stop").stdout == "no nodes\n"

    started, again = run(environment, "start"), run(environment, "start")
    other = run(environment, "start", "--repository", str(tmp_path))
    try:
        rows = [line.split() for line in run(environment, "status").stdout.splitlines()]
    finally:
        stopped = run(environment, "stop", "node1")

    assert started.stdout.startswith("node1 serves 127.0.0.1:")
    assert again.stdout == started.stdout.replace(" serves ", " already serves ")
    assert other.returncode == 1
    assert "`gapura triton stop node1` first" in other.stderr
    assert rows[0] == ["NAME", "STATE", "ADDRESS", "PID", "MIB", "RESTARTS", "SINCE", "LAST", "END"]
    address = started.stdout.split()[2]
    assert rows[1][:3] == ["node1", "live", address]
    assert int(rows[1][4]) > 10
    assert rows[1][5] == "0"
    assert stopped.stdout == "node1 stopped\n"
    assert run(environment, "stop").stdout == "node1 was not running\n"
    assert run(environment, "status").stdout.splitlines()[1].split()[:5] == ["node1", "stopped", address, "-", "-"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("start",), "Error: tritonserver is not installed in "),
        (("start", "../up"), "Error: '../up' cannot name a node: use a-z, 0-9, '-' and '_'"),
        (("start", "a", "b", "--grpc-port", "9999"), "Error: --grpc-port is for one node"),
        (("stop", "nobody"), "Error: there is no node 'nobody': see `gapura triton status`"),
    ],
)
def test_mistake_is_told_in_one_line(environment: dict[str, str], arguments: tuple[str, ...], told: str) -> None:
    answer = run(environment, *arguments)
    assert answer.returncode != 0
    assert answer.stderr.splitlines()[-1].startswith(told)


def test_missing_repository_is_told(environment: dict[str, str], tmp_path: Path, triton_home: Path) -> None:
    linked_home(tmp_path / "triton", triton_home)
    answer = run(environment, "start", "--repository", "nowhere")
    assert answer.returncode == 1
    assert answer.stderr == "Error: there is no model repository nowhere: publish a model, or name another folder\n"


def test_start_that_takes_too_long_leaves_nothing_running(
    environment: dict[str, str], tmp_path: Path, triton_home: Path
) -> None:
    linked_home(tmp_path / "triton", triton_home)
    answer = run(environment, "start", "--timeout-seconds", "0")
    assert answer.returncode == 1
    assert "it takes too long" in answer.stderr
    assert run(environment, "stop").stdout == "node1 was not running\n"
