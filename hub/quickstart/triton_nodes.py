"""Triton nodes of a tour, by `gapura triton`: installed where they are missing, stopped if the tour started them."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from hub.errors import HubError
from hub.quickstart.interruption import Interruption
from hub.quickstart.steps import Say

NAMES = ("up-1", "up-2")
_SERVES = re.compile(r"(?P<name>\S+) (?P<before>already )?serves (?P<address>\S+)")


class TritonNodes:
    """Two nodes over a model repository; they outlive this process unless it stops them."""

    def __init__(self, repository: Path, interruption: Interruption) -> None:
        self._repository = repository
        self._interruption = interruption
        self._started: list[str] = []

    def install(self, say: Say) -> None:
        """Installs tritonserver; one that is installed is left alone.

        Raises:
            HubError: It cannot be installed.
        """
        self._run("install", say=say)

    def start(self, say: Say) -> tuple[str, ...]:
        """Starts those that do not run; returns the addresses of all.

        A signal that arrives meanwhile is raised afterwards, when it is known what there is to stop.

        Raises:
            HubError: A node does not start.
        """
        self._repository.mkdir(parents=True, exist_ok=True)
        return tuple(self._start(name, say) for name in NAMES)

    def stop(self) -> None:
        """Stops those that `start` started; their calls under way finish."""
        if self._started:
            with self._interruption.held():
                self._run("stop", *self._started)

    def _start(self, name: str, say: Say) -> str:
        before = self._interruption.count
        with self._interruption.held():
            line = self._run("start", name, "--repository", str(self._repository), say=say)
            match = _SERVES.search(line)
            if match is None:
                raise HubError(f"`gapura triton start` does not say where {name} serves: {line}")
            if not match["before"]:
                self._started.append(name)
        if self._interruption.count > before:
            raise KeyboardInterrupt
        return match["address"]

    def _run(self, *arguments: str, say: Say = lambda _: None) -> str:
        """Runs `gapura triton`, in a process group that Ctrl-C does not reach; returns what it printed.

        Raises:
            HubError: It failed; the message is its own.
        """
        command = [sys.executable, "-m", "gateway", "triton", *arguments]
        lines: list[str] = []
        with subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        ) as launcher:
            try:
                for line in launcher.stdout or ():
                    lines.append(line.rstrip())
                    say(lines[-1])
            except KeyboardInterrupt:
                os.killpg(launcher.pid, signal.SIGTERM)
                raise
        if launcher.returncode:
            raise HubError("\n".join(lines).removeprefix("Error: "))
        return "\n".join(lines)
