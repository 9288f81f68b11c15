"""A real MLflow server."""

import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gapura_supervisor.addresses import LOOPBACK

from tests.hub.registry.processes import Command, free_ports, running

_QUICK = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@contextmanager
def running_mlflow(
    folder: Path, store: str, artifacts: str, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Gives the address of a server that hands on artifacts itself.

    Args:
        folder: For its log.
        store: Address of its database.
        artifacts: Address of the folder or bucket where it keeps artifacts.
        environment: Variables besides those that make it quick to start.
    """
    (port,) = free_ports(1)
    words = [
        *(sys.executable, "-m", "mlflow", "server", f"--host={LOOPBACK}", f"--port={port}", "--workers=1"),
        *(f"--backend-store-uri={store}", f"--artifacts-destination={artifacts}"),
    ]
    address = f"http://{LOOPBACK}:{port}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=1):  # noqa: S310 - our own server
                return True
        except OSError:
            return False

    with running(Command(words, folder / "mlflow.log", _QUICK | dict(environment or {})), answers):
        yield address
