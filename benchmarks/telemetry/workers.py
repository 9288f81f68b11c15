"""Gateways that share a telemetry folder, each a process; one may be killed, and another takes its place."""

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arena import Policies, write_tenants_of
from benchmarks.gateway_process import running_gateway
from benchmarks.models import echo_model, write_models

# Who may call everything, who may call another model alone, and who may make few calls.
FREE, ELSEWHERE, LIMITED = "free", "elsewhere", "limited"
CALLS_PER_SECOND = 50


@dataclass(frozen=True, slots=True)
class Worker:
    """A gateway.

    Attributes:
        pid: Its process.
        address: Where it listens.
    """

    pid: int
    address: str

    def kill(self) -> None:
        """Ends it at once."""
        os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Workers:
    """What starts them.

    Attributes:
        telemetry: Their folder.
        keys: Of the tenants, by name.
    """

    telemetry: Path
    keys: Mapping[str, str]
    _environment: Mapping[str, str]
    _stack: ExitStack

    def start(self) -> Worker:
        """Starts one; it listens when this returns."""
        return Worker(*self._stack.enter_context(running_gateway(self._environment)))


@contextmanager
def open_workers(listener: str) -> Iterator[Workers]:
    """Makes what workers need: a model that answers with its input, and tenants. All workers end afterwards.

    Traces are kept of calls whose callers ask for that, and of those that fail, but of none for being slow.
    """
    with tempfile.TemporaryDirectory(prefix="gapura-") as name, ExitStack() as stack:
        folder = Path(name)
        write_models([echo_model()], folder / "models", folder / "catalog.binpb")
        policies: Policies = {
            FREE: {},
            ELSEWHERE: {"models": ("team8_*",)},
            LIMITED: {"calls_per_second": CALLS_PER_SECOND},
        }
        keys = write_tenants_of(folder / "tenants.yaml", policies)
        environment = {
            "GAPURA_LISTENER": listener,
            "GAPURA_BACKEND": "onnx",
            "GAPURA_REPOSITORY": f"{folder}/models",
            "GAPURA_CATALOG": f"{folder}/catalog.binpb",
            "GAPURA_CONTRACTS": f"{folder}/contracts",
            "GAPURA_TENANTS": f"{folder}/tenants.yaml",
            "GAPURA_USAGE": f"{folder}/usage",
            "GAPURA_TELEMETRY": f"{folder}/telemetry",
            "GAPURA_TRACE_RATIO": "0",
            "GAPURA_SLOW_MS": "600000",
        }
        yield Workers(folder / "telemetry", keys, {**os.environ, **environment}, stack)
