"""Gateways as the edge has them: several, each where it is told to listen."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gapura_envoy.testing import end

from benchmarks.gateway_process import wait_for_address


@contextmanager
def running_worker(environment: Mapping[str, str], listener: str, listen: str) -> Iterator[tuple[int, str]]:
    """Runs a gateway; yields its process and address."""
    command = [sys.executable, "-m", "gateway", "serve", "--listener", listener, "--listen", listen]
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stderr=log)  # noqa: S603 - our own command
        try:
            yield process.pid, wait_for_address(process, Path(log.name))
        finally:
            end(process)
