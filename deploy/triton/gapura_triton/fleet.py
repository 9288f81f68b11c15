"""Starts, stops and finds nodes."""

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from gapura_supervisor.addresses import LOOPBACK, free_port
from gapura_supervisor.files import locked
from gapura_supervisor.logs import last_words

from gapura_triton import processes
from gapura_triton.errors import LauncherError
from gapura_triton.installation import Installation
from gapura_triton.node import Node, Phase, State, read_node, read_state, write_node, write_state
from gapura_triton.server import EXIT_SECONDS
from gapura_triton.supervisor import main as supervise

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_HOPELESS_RESTARTS = 3
_STOP_SECONDS = EXIT_SECONDS + 10.0
_POLL_SECONDS = 0.02


def node_folder(home: Path, name: str) -> Path:
    """Returns where a node's records are.

    Raises:
        LauncherError: The name is no name.
    """
    if not _NAME.fullmatch(name):
        raise LauncherError(f"'{name}' cannot name a node: use a-z, 0-9, '-' and '_'")
    return home / "nodes" / name


def find_nodes(home: Path) -> list[Node]:
    """Returns every node that was ever started."""
    folders = sorted(path.parent for path in (home / "nodes").glob("*/node.json"))
    return [node for folder in folders if (node := read_node(folder))]


def choose_nodes(home: Path, names: Collection[str]) -> list[Node]:
    """Returns the nodes of these names, or every node.

    Raises:
        LauncherError: There is no such node.
    """
    nodes = find_nodes(home)
    unknown = sorted(set(names) - {node.name for node in nodes})
    if unknown:
        raise LauncherError(f"there is no node '{unknown[0]}': see `gapura triton status`")
    return [node for node in nodes if not names or node.name in names]


def start_node(  # noqa: PLR0913 - what an operator can say
    folder: Path,
    home: Path,
    repository: Path,
    *,
    grpc_port: int | None = None,
    memory_budget_mib: int = 0,
    timeout_seconds: float = 120.0,
) -> tuple[Node, bool]:
    """Starts a node and waits until it is live, or finds it running; returns it, and whether it was started.

    Args:
        folder: Of the node; it keeps its ports.
        home: Of the installation.
        repository: Model repository; each of its models was tried once the node is live.
        grpc_port: A free one by default, or the one it had.
        memory_budget_mib: It is started anew when it holds more; 0 for never.
        timeout_seconds: How long that may take.

    Raises:
        LauncherError: It does not start; nothing of it runs.
    """
    _require_startable(home, repository)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "start.lock"):
        before = read_node(folder)
        if before and before.supervisor:
            _require_same(before, repository.absolute(), grpc_port)
            _wait_for_others(before, timeout_seconds)
            return before, False
        node = Node(folder, home, repository.absolute(), *_ports(before, grpc_port), memory_budget_mib)
        write_node(node)
        write_state(node, State(Phase.STARTING))
        _wait_until_live(node, _spawn_supervisor(node), timeout_seconds)
        return node, True


def run_node(folder: Path, home: Path, repository: Path, grpc_port: int | None = None) -> None:
    """Keeps a node running until this process is told to stop; arguments are as of `start_node`.

    Raises:
        LauncherError: It cannot be started, or runs already.
    """
    _require_startable(home, repository)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "start.lock"):
        before = read_node(folder)
        if before and before.supervisor:
            raise LauncherError(f"{before.name} runs already: `gapura triton stop {before.name}` first")
        node = Node(folder, home, repository.absolute(), *_ports(before, grpc_port))
        write_node(node)
    supervise(folder)


def stop_node(node: Node) -> bool:
    """Lets a node finish its calls and ends it; returns whether it ran.

    Raises:
        LauncherError: It does not end.
    """
    supervisor = node.supervisor
    if supervisor is None:
        processes.sweep(node.mark)
        return False
    os.kill(supervisor, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while node.supervisor == supervisor:
        if time.monotonic() > deadline:
            raise LauncherError(
                f"{node.name} does not stop: its supervisor is process {supervisor}, its log {node.log}"
            )
        time.sleep(_POLL_SECONDS)
    return True


def _require_startable(home: Path, repository: Path) -> None:
    """Makes sure of what every node needs.

    Raises:
        LauncherError: Something is missing.
    """
    Installation(home).check()
    if not repository.is_dir():
        raise LauncherError(f"there is no model repository {repository}: publish a model, or name another folder")


def _ports(before: Node | None, grpc_port: int | None) -> tuple[int, int]:
    """Returns the ports for gRPC and metrics: those asked for, or else those of before, or else free ones."""
    grpc = grpc_port or (before.grpc_port if before else free_port())
    if not _is_free(grpc):
        raise LauncherError(f"port {grpc} is taken: name another with --grpc-port")
    metrics = before.metrics_port if before else grpc
    while metrics == grpc or not _is_free(metrics):
        metrics = free_port()
    return grpc, metrics


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


def _spawn_supervisor(node: Node) -> int:
    """Starts the supervisor in a session of its own, so that it outlives the terminal; returns its process."""
    log = (os.POSIX_SPAWN_OPEN, 1, node.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), log, (os.POSIX_SPAWN_DUP2, 1, 2)]
    arguments = [sys.executable, "-m", "gapura_triton.supervisor", str(node.folder)]
    return os.posix_spawn(sys.executable, arguments, os.environ, file_actions=files, setsid=True)


def _require_same(node: Node, repository: Path, grpc_port: int | None) -> None:
    """Makes sure that a node which runs is the one that was asked for.

    Raises:
        LauncherError: It is another.
    """
    if node.repository != repository or grpc_port not in (None, node.grpc_port):
        raise LauncherError(
            f"{node.name} runs already, on port {node.grpc_port} over {node.repository}: "
            f"`gapura triton stop {node.name}` first, or name another node"
        )


def _wait_for_others(node: Node, timeout_seconds: float) -> None:
    """Waits until a node that somebody else started is live.

    Raises:
        LauncherError: That takes too long; the node stays as it is.
    """
    deadline = time.monotonic() + timeout_seconds
    while (state := read_state(node)).phase != Phase.LIVE:
        if time.monotonic() > deadline:
            raise LauncherError(f"{node.name} runs, but is not live: it is {state.phase}; see {node.log}")
        time.sleep(_POLL_SECONDS)


def _end(supervisor: int) -> None:
    """Ends a supervisor that this process started, however little of it there is yet."""
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(supervisor, signal.SIGTERM)
        os.waitpid(supervisor, 0)


def _wait_until_live(node: Node, supervisor: int, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while (state := read_state(node)).phase != Phase.LIVE:
        if problem := _problem(supervisor, state, time.monotonic() > deadline):
            _end(supervisor)
            stop_node(node)  # sweeps up what is left
            raise LauncherError(f"{node.name} does not start, {problem}:\n{last_words(node.log)}")
        time.sleep(_POLL_SECONDS)


def _problem(supervisor: int, state: State, late: bool) -> str | None:  # noqa: FBT001 - read once, above
    if os.waitpid(supervisor, os.WNOHANG)[0]:
        return "its supervisor ended"
    if state.restarts >= _HOPELESS_RESTARTS:
        return state.last_end
    return "it takes too long" if late else None
