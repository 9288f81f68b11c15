"""Real nodes for tests, started and stopped by the real launcher."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from gapura_triton import processes
from gapura_triton.fleet import start_node, stop_node
from gapura_triton.installation import Installation
from gapura_triton.installing import install
from gapura_triton.node import Node, State, read_state
from tritonclient.grpc import service_pb2_grpc

HOME = Path(__file__).parents[2] / "var/triton"


def installed_home() -> Path:
    """Installs tritonserver where every test run finds it again; returns the launcher's home."""
    install(Installation(HOME), print)
    return HOME


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node that is kept running.

    Attributes:
        node: What was asked for.
        supervisor: Its supervisor's process.
    """

    node: Node
    supervisor: int

    @property
    def address(self) -> str:
        """Where it speaks gRPC."""
        return self.node.address

    @property
    def state(self) -> State:
        """How it fares now."""
        return read_state(self.node)

    @property
    def pid(self) -> int:
        """Its tritonserver's process."""
        pid = self.state.pid
        assert pid is not None
        return pid

    @property
    def stubs(self) -> set[int]:
        """The processes that run its models."""
        return set(processes.marked(self.node.mark)) - {self.pid}

    @property
    def shared_memory(self) -> set[str]:
        """The regions that its processes share."""
        return shared_memory(self.node)


@contextmanager
def running_node(repository: Path, folder: Path, *, home: Path | None = None, **options: Any) -> Iterator[RunningNode]:
    """Runs a node on free ports; `options` are those of `start_node`. Afterwards nothing of it is left."""
    node, _ = start_node(folder, home or installed_home(), repository, **options)
    supervisor = node.supervisor
    assert supervisor is not None
    try:
        yield RunningNode(node, supervisor)
    finally:
        stop_node(node)
        reap(supervisor)
    assert not list(processes.marked(node.mark))
    assert not shared_memory(node)


@contextmanager
def stub_of(address: str) -> Iterator[service_pb2_grpc.GRPCInferenceServiceStub]:
    """Opens a channel to a node."""
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def shared_memory(node: Node) -> set[str]:
    """Names a node's regions of shared memory."""
    return {path.name for path in Path("/dev/shm").glob(f"{node.mark}*")}  # noqa: S108 - where Triton puts it


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Waits for something to come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.02)


def reap(child: int) -> None:
    """Waits for the end of a process that this one started, or another did."""
    with suppress(ChildProcessError):
        os.waitpid(child, 0)
