"""The deployment of a tour: `gapura start` as a child process, which ends with its parent."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import gapura_client
import grpc
from gapura_deployment.options import Choice
from gapura_supervisor.addresses import target_of
from gapura_supervisor.leash import leashed
from gapura_supervisor.logs import last_words, rotate
from gapura_supervisor.state import PartState, Phase, Place, State
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub.errors import HubError
from hub.quickstart.interruption import Interruption

_READY_SECONDS = 300.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.1
_IMPATIENT = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200))


class Deployment:
    """Runs `gapura start`; what it says goes to a log file.

    It has a process group of its own, so that Ctrl-C reaches it as one SIGTERM, from here.
    """

    def __init__(self, choice: Choice, var: Path, interruption: Interruption) -> None:
        self.target = target_of(choice.listen)
        self._command = [sys.executable, "-m", "gateway", "start", *choice.arguments]
        self._place = Place((var / "run").absolute())
        self._log = var / "log/supervisor.log"
        self._log_start = 0
        self._interruption = interruption
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; a signal that arrives meanwhile is raised afterwards, when the process is known."""
        before = self._interruption.count
        self._log.parent.mkdir(parents=True, exist_ok=True)
        rotate(self._log)
        with self._interruption.held(), self._log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                leashed(self._command, signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        if self._interruption.count > before:
            raise KeyboardInterrupt

    def wait_for(self, names: frozenset[str]) -> list[PartState]:
        """Waits until some of the parts are ready; returns them.

        Raises:
            HubError: The deployment ended, or takes too long.
        """
        state = self._wait_until(
            lambda state: names <= {part.name for part in state.parts if part.phase is Phase.READY}
        )
        return [part for part in state.parts if part.name in names]

    def wait_until_serving(self, services: Sequence[str], api_key: str) -> State:
        """Waits until every part is ready and the health of services is SERVING; returns what runs where.

        Args:
            services: Full names of the services.
            api_key: Key of a tenant that may call them.

        Raises:
            HubError: The deployment ended, or takes too long.
        """
        state = self._wait_until(lambda state: state.ready)
        with gapura_client.connect(self.target, api_key=api_key, timeout_seconds=1.0, options=_IMPATIENT) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            self._wait_until(lambda _: all(_is_serving(health, service) for service in services))
        return state

    def wait(self) -> None:
        """Returns never, but by KeyboardInterrupt.

        Raises:
            HubError: The deployment ended by itself.
        """
        while True:
            self._check()
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Lets calls finish; ends everything at once on another signal."""
        if self._process is None:
            return
        with self._interruption.held():
            told = self._interruption.count
            deadline = time.monotonic() + _STOP_SECONDS
            self._process.terminate()
            while self._process.poll() is None:
                if self._interruption.count > told:
                    told = self._interruption.count
                    self._process.terminate()
                if time.monotonic() > deadline:
                    self._process.kill()
                time.sleep(_POLL_SECONDS)

    def _wait_until(self, happened: Callable[[State], bool]) -> State:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            self._check()
            state = self._own_state()
            if state is not None and happened(state):
                return state
            if time.monotonic() > deadline:
                raise HubError(f"the deployment is not ready after {_READY_SECONDS:.0f} s:\n{self._last_words()}")
            time.sleep(_POLL_SECONDS)

    def _own_state(self) -> State | None:
        """Returns what this deployment has recorded, rather than one before it."""
        state = self._place.read()
        return state if state and self._process and state.supervisor == self._process.pid else None

    def _check(self) -> None:
        """Makes sure that the deployment runs.

        Raises:
            HubError: It ended; the message has its last lines.
        """
        if self._process is not None and self._process.poll() is not None:
            raise HubError(f"the deployment ended with status {self._process.returncode}:\n{self._last_words()}")

    def _last_words(self) -> str:
        return last_words(self._log, self._log_start)


def require_idle(var: Path) -> None:
    """Makes sure that no deployment runs already.

    Raises:
        HubError: One does.
    """
    supervisor = Place((var / "run").absolute()).supervisor
    if supervisor is not None:
        raise HubError(f"process {supervisor} runs a gateway here already: see `gapura ps`, or end it with SIGTERM")


def _is_serving(health: health_pb2_grpc.HealthStub, service: str) -> bool:
    try:
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
    except grpc.RpcError:  # the service is not known yet
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
