"""`gapura serve` in a process of its own, on a free port."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.02
STOP_SECONDS = 30


@contextmanager
def running_gateway(environment: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Runs a gateway; yields its process and address."""
    command = [sys.executable, "-m", "gateway", "serve", "--listen", "127.0.0.1:0"]
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stderr=log)  # noqa: S603 - our own command
        try:
            yield process.pid, wait_for_address(process, Path(log.name))
        finally:
            end(process, STOP_SECONDS)


def end(process: subprocess.Popen[Any], seconds: float) -> None:
    """Tells a process to end, and waits; it is killed where that takes longer."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Returns where the gateway listens, once its log says so."""
    while process.poll() is None:
        whole_lines = log.read_text().rpartition("\n")[0].splitlines()
        for entry in map(json.loads, (line for line in whole_lines if line.startswith("{"))):
            if entry["event"] == "listening":
                return str(entry["address"])
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"the gateway ended: {log.read_text()}")
