"""A node is back whenever it dies, on the same address, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from gapura_triton import processes
from gapura_triton.errors import LauncherError
from gapura_triton.fleet import start_node, stop_node
from gapura_triton.installation import Installation
from gapura_triton.node import Node, Phase, read_state, write_node
from tritonclient.grpc import service_pb2

from tests.e2e.serving import free_port
from tests.triton.calls import infer
from tests.triton.homes import fake_home, linked_home
from tests.triton.nodes import reap, running_node, shared_memory, stub_of, wait_until
from tests.triton.repositories import write_sums


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_sums(tmp_path / "models")
    return tmp_path / "models"


def answers(address: str, model: str = "sums") -> bool:
    with stub_of(address) as stub:
        return bool(infer(stub, model, {"x": np.array([[1.0, 2.0]])})["sum"][0, 0] == 3)


def test_killed_server_is_back_on_its_port_with_what_is_published_by_now(repository: Path, tmp_path: Path) -> None:
    with running_node(repository, tmp_path / "node") as node:
        assert answers(node.address)
        write_sums(repository, "later")
        write_sums(repository, ".hidden")
        old, old_stubs, old_memory = node.pid, node.stubs, node.shared_memory
        assert old_memory
        for stub in old_stubs:
            os.kill(stub, signal.SIGSTOP)  # or it might clear up by itself

        os.kill(old, signal.SIGKILL)
        wait_until(lambda: node.state.restarts == 1 and node.state.phase == Phase.LIVE, 40)

        assert node.pid != old
        assert node.state.last_end == "killed by SIGKILL"
        assert not node.stubs & old_stubs
        assert not node.shared_memory & old_memory
        assert answers(node.address)
        assert answers(node.address, "later")
        with stub_of(node.address) as stub:
            assert not stub.ModelReady(service_pb2.ModelReadyRequest(name=".hidden")).ready


def test_server_dies_with_its_supervisor_and_starts_anew_where_it_was(repository: Path, tmp_path: Path) -> None:
    with running_node(repository, tmp_path / "node") as killed:
        os.kill(killed.supervisor, signal.SIGKILL)
        reap(killed.supervisor)
        wait_until(lambda: killed.node.log.exists() and not list(processes.marked(killed.node.mark)), 30)
        assert killed.state.phase == Phase.STOPPED

        with running_node(repository, tmp_path / "node") as node:
            assert node.address == killed.address
            assert answers(node.address)


def test_stopping_leaves_no_leftovers_of_a_killed_supervisor(repository: Path, tmp_path: Path) -> None:
    with running_node(repository, tmp_path / "node") as node:
        os.kill(node.supervisor, signal.SIGKILL)
        reap(node.supervisor)
        assert stop_node(node.node) is False
        assert not list(processes.marked(node.node.mark))
        assert not shared_memory(node.node)


def test_running_node_is_left_alone_by_starts_and_other_nodes(
    repository: Path, tmp_path: Path, triton_home: Path
) -> None:
    with running_node(repository, tmp_path / "one") as one:
        assert start_node(tmp_path / "one", triton_home, repository) == (one.node, False)
        with pytest.raises(LauncherError, match=f"port {one.node.grpc_port} is taken: name another with --grpc-port"):
            start_node(tmp_path / "two", triton_home, repository, grpc_port=one.node.grpc_port)
        with running_node(repository, tmp_path / "two") as two:
            pass
        assert two.state.last_end == "told to stop, exit status 0"
        assert one.state.restarts == 0
        assert answers(one.address)


def test_node_over_its_memory_budget_starts_anew(repository: Path, tmp_path: Path) -> None:
    with running_node(repository, tmp_path / "node", memory_budget_mib=1) as node:
        wait_until(lambda: node.state.restarts >= 1, 30)
        last_end = node.state.last_end or ""
        assert last_end.startswith("held ")
        assert last_end.endswith(" MiB, more than its 1, exit status 0")


def test_server_that_cannot_start_is_told_with_its_last_words(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match=r"node does not start, exit status 3:\n(.*\n)*    no luck\n") as raised:
        start_node(tmp_path / "node", fake_home(tmp_path / "home"), repository)
    assert str(tmp_path / "node/node.log") in str(raised.value)


def test_server_that_cannot_start_is_tried_less_and_less_often(repository: Path, tmp_path: Path) -> None:
    node = Node(tmp_path / "node", fake_home(tmp_path / "home"), repository, 1, 2)
    write_node(node)
    supervisor = subprocess.Popen([sys.executable, "-m", "gapura_triton.supervisor", str(node.folder)])
    wait_until(lambda: read_state(node).restarts == 3, 30)
    wait_until(lambda: read_state(node).phase == Phase.BACKING_OFF, 30)
    assert read_state(node).last_end == "exit status 3"

    supervisor.send_signal(signal.SIGTERM)

    assert supervisor.wait(5) == 0
    assert read_state(node).phase == Phase.STOPPED


IMPATIENT = """
import sys
from pathlib import Path
from gapura_triton.supervisor import Patience, main
main(Path(sys.argv[1]), Patience(start_seconds=float(sys.argv[2]), live_seconds=float(sys.argv[3])))
"""


@contextmanager
def impatient_supervisor(node: Node, start_seconds: float, live_seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a supervisor that waits less than others."""
    write_node(node)
    supervisor = subprocess.Popen([sys.executable, "-c", IMPATIENT, node.folder, str(start_seconds), str(live_seconds)])
    try:
        yield supervisor
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(30)
    assert not list(processes.marked(node.mark))


def test_server_that_hangs_is_killed_and_started_anew(repository: Path, tmp_path: Path, triton_home: Path) -> None:
    grpc_port, metrics_port = free_port(), free_port()
    node = Node(tmp_path / "node", linked_home(tmp_path / "home", triton_home), repository, grpc_port, metrics_port)
    with impatient_supervisor(node, 60, 3):
        wait_until(lambda: read_state(node).phase == Phase.LIVE, 40)
        hanging = read_state(node).pid
        assert hanging is not None
        os.kill(hanging, signal.SIGSTOP)
        wait_until(lambda: read_state(node).restarts == 1 and read_state(node).phase == Phase.LIVE, 40)
        assert answers(node.address)
        assert re.fullmatch(r"did not answer for [3-9] s, killed by SIGKILL", read_state(node).last_end or "")


def test_server_that_never_gets_live_is_ended(repository: Path, tmp_path: Path) -> None:
    home = fake_home(tmp_path / "home")
    Installation(home).tritonserver.write_text("#!/bin/sh\nexec sleep 600\n")
    node = Node(tmp_path / "node", home, repository, free_port(), free_port())
    with impatient_supervisor(node, 1, 60):
        wait_until(lambda: read_state(node).restarts >= 1, 40)
        assert read_state(node).last_end == "was not live after 1 s, killed by SIGKILL"
