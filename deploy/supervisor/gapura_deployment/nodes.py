"""Triton nodes, each kept by its own supervisor, `gapura triton run`, which knows Triton's habits."""

import sys

from gapura_supervisor.addresses import LOOPBACK, free_port
from gapura_supervisor.part import Part, Patience
from gapura_supervisor.probes import GrpcHealth

from gapura_deployment.settings import DeploymentSettings

NAMES = ("up-1", "up-2")
STAGE = 0
_EXIT_SECONDS = 20.0
_PATIENCE = Patience(start_seconds=600.0, live_seconds=120.0)  # a node that hangs is its own supervisor's business


def compose_nodes(settings: DeploymentSettings) -> list[Part]:
    """Returns two nodes over the model repository."""
    return [_node(name, free_port(), settings) for name in NAMES]


def _node(name: str, port: int, settings: DeploymentSettings) -> Part:
    repository = f"--repository={settings.repository.absolute()}"
    return Part(
        name=name,
        command=(sys.executable, "-m", "gateway", "triton", "run", name, repository, f"--grpc-port={port}"),
        log=settings.logs / f"{name}.log",
        probe=GrpcHealth(f"{LOOPBACK}:{port}"),
        address=f"{LOOPBACK}:{port}",
        stage=STAGE,
        patience=_PATIENCE,
        grace_seconds=_EXIT_SECONDS,
    )
