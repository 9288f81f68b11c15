"""Starts and stops the real commands."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

COMMAND = (sys.executable, "-m", "gateway")
STOP_SECONDS = 30


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def own_ports() -> dict[str, str]:
    """Returns what gives the parts of a deployment free ports, beside the gateway, which has --listen."""
    names = ("GAPURA_FEATURE_STORE_LISTEN", "GAPURA_OPERATIONS_LISTEN")
    return {name: f"127.0.0.1:{free_port()}" for name in names}


def add_tenant(environment: Mapping[str, str], name: str, models: str, *options: str) -> str:
    """Adds a tenant by `gapura tenants add`; returns its key."""
    arguments = [*COMMAND, "tenants", "add", name, "--models", models, *options]
    return subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def serve(environment: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Runs `gapura serve` on a free port; yields its process and address once it listens."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--listen", "127.0.0.1:0"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process, wait_for(process, "listening")["address"]
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def wait_for(process: subprocess.Popen[str], event: str) -> dict[str, str]:
    """Reads the log until an event; returns its line."""
    assert process.stderr is not None
    for line in process.stderr:
        entry: dict[str, str] = json.loads(line)
        if entry["event"] == event:
            return entry
    raise AssertionError(f"the gateway ended with status {process.wait()} before it said '{event}'")


def scratch_environment(environment: Mapping[str, str], **changes: str) -> dict[str, str]:
    """Returns the environment with some settings of the gateway changed, named without `GAPURA_`."""
    return {**environment, **{f"GAPURA_{name}": value for name, value in changes.items()}}
