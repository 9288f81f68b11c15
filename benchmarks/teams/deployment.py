"""A deployment of all teams: `gapura up` as a child, with Triton nodes behind a protected edge."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from benchmarks.gateway_process import end

SERVING = "Serving until"
PATIENCE = {"GAPURA_FEATURES_BUDGET_MS": "2000"}  # what is verified may not depend on how long a first read takes
STOP_SECONDS = 60


@contextmanager
def running(listen: str, backend: str) -> Iterator[None]:
    """Runs it, from the settings of this process; goes on when it serves.

    Raises:
        RuntimeError: It ended before.
    """
    extras = [f"--without={part}" for part in ("feature-store", "operations", "publisher")]
    command = [sys.executable, "-m", "gateway", "up", f"--listen={listen}", f"--backend={backend}", "--edge=envoy"]
    child = subprocess.Popen(  # noqa: S603 - our own command
        [*command, *extras], env={**os.environ, **PATIENCE}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_until_serving(child)
        yield
    finally:
        end(child, STOP_SECONDS)


def wait_until_serving(child: "subprocess.Popen[str]") -> None:
    """Reads what a child says until it serves; from then on a thread reads, so that the child never waits for us.

    Raises:
        RuntimeError: It ended.
    """
    assert child.stdout is not None
    said = []
    for line in child.stdout:
        said.append(line)
        if line.startswith(SERVING):
            Thread(target=child.stdout.read, daemon=True).start()
            return
    raise RuntimeError(f"the deployment ended:\n{''.join(said[-20:])}")
