"""The gateway as a child process that never outlives its parent's care."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import gapura_client
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub.errors import HubError
from hub.quickstart.interruption import Interruption

_READY_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.1
_LAST_LINES = 8
_IMPATIENT = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200))


class GatewayProcess:
    """Runs `gapura serve`; its output goes to a log file.

    It has a process group of its own, so that Ctrl-C reaches it as one SIGTERM, from here.
    """

    def __init__(
        self, listen: str, log: Path, interruption: Interruption, environment: Mapping[str, str] | None = None
    ) -> None:
        self._listen = listen
        self._environment = os.environ | dict(environment or {})
        self._log = log
        self._interruption = interruption
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the gateway; a signal that arrives meanwhile is raised afterwards, when the process is known."""
        command = [sys.executable, "-m", "gateway", "serve", "--listen", self._listen]
        before = self._interruption.count
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._interruption.held(), self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        if self._interruption.count > before:
            raise KeyboardInterrupt

    def wait_until_serving(self, target: str, service: str) -> None:
        """Waits until the health of a service is SERVING.

        Raises:
            HubError: The gateway ended, or takes too long.
        """
        deadline = time.monotonic() + _READY_SECONDS
        with gapura_client.connect(target, timeout_seconds=1.0, options=_IMPATIENT) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            while not _is_serving(health, service):
                self.check()
                if time.monotonic() > deadline:
                    raise HubError(f"the gateway is not ready after {_READY_SECONDS:.0f} s:\n{self._tail()}")
                time.sleep(_POLL_SECONDS)
        self.check()

    def check(self) -> None:
        """Makes sure that the gateway runs.

        Raises:
            HubError: It ended; the message has its last lines.
        """
        if self._process is not None and self._process.poll() is not None:
            raise HubError(f"the gateway ended with status {self._process.returncode}:\n{self._tail()}")

    def wait(self) -> None:
        """Returns never, but by KeyboardInterrupt.

        Raises:
            HubError: The gateway ended by itself.
        """
        while True:
            self.check()
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Lets the gateway finish its calls; kills it when it takes too long or on another signal."""
        if self._process is None:
            return
        with self._interruption.held():
            before = self._interruption.count
            deadline = time.monotonic() + _STOP_SECONDS
            self._process.terminate()
            while self._process.poll() is None:
                if self._interruption.count > before or time.monotonic() > deadline:
                    self._process.kill()
                time.sleep(_POLL_SECONDS)

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join([*(f"    {line}" for line in lines), f"({self._log})"])


def _is_serving(health: health_pb2_grpc.HealthStub, service: str) -> bool:
    try:
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
    except grpc.RpcError:  # not listening yet, or the service is not known yet
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
