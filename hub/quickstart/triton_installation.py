"""Tritonserver for a tour, by `gapura triton install`: installed where it is missing."""

import os
import signal
import subprocess
import sys

from hub.errors import HubError
from hub.quickstart.steps import Say


def install_triton(say: Say) -> None:
    """Installs tritonserver, in a process group that Ctrl-C does not reach; one that is installed is left alone.

    Raises:
        HubError: It cannot be installed; the message is its own.
    """
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "triton", "install"],
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
