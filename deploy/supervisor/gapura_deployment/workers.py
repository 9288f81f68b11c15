"""Workers of the gateway: fresh interpreters that share nothing but files which they read."""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from gapura_supervisor.addresses import require_free
from gapura_supervisor.errors import SupervisionError
from gapura_supervisor.part import Part
from gapura_supervisor.probes import GrpcHealth

from gapura_deployment.options import ENVOY, FEATURE_STORE, Choice
from gapura_deployment.settings import DeploymentSettings, cores

STAGE = 1
_COMMAND = (sys.executable, "-m", "gateway", "serve")
_MORE_SECONDS = 5.0  # beyond the drain, to end


def compose_workers(
    choice: Choice, settings: DeploymentSettings, sockets: Path, environment: Mapping[str, str]
) -> list[Part]:
    """Returns the workers.

    Args:
        choice: What was chosen.
        settings: Of the deployment.
        sockets: Private folder.
        environment: Variables that they get beside their own.

    Raises:
        SupervisionError: The listener does not go with the edge.
    """
    behind = choice.edge == ENVOY
    listener = "native" if behind else "grpcio"
    if settings.listener not in (None, listener):
        raise SupervisionError(
            f"GAPURA_LISTENER={settings.listener} does not go with --edge {choice.edge}: its workers are {listener}"
        )
    number = choice.workers or (cores() if behind else 1)
    shared = {
        "GAPURA_LISTENER": listener,
        "GAPURA_BEHIND_EDGE": str(behind),
        "GAPURA_BACKEND": choice.backend,
        "GAPURA_THREADS": str(settings.threads or max(cores() // number, 1)),
        "GAPURA_QUOTA_SHARES": str(number),
        "TMPDIR": str(sockets),  # what one that is killed leaves there goes with the folder
        **environment,
    }
    listen = None if behind else choice.listen
    return [_worker(f"worker-{index}", listen, settings, sockets, shared, 0) for index in range(1, number + 1)]


def compose_feature_store(settings: DeploymentSettings, environment: Mapping[str, str]) -> Part:
    """Returns the process that serves stored features by themselves.

    Args:
        settings: Of the deployment.
        environment: Variables that it gets beside its own.

    Raises:
        SupervisionError: Its address is taken.
    """
    address = settings.feature_store_listen
    require_free(address, "choose another with GAPURA_FEATURE_STORE_LISTEN")
    return Part(
        name=FEATURE_STORE,
        command=(sys.executable, "-m", "gateway", "feature-store"),
        log=settings.logs / "feature-store.log",
        probe=GrpcHealth(address),
        address=address,
        environment={**environment, "GAPURA_LISTENER": "grpcio", "GAPURA_FEATURE_STORE_LISTEN": address},
        stage=STAGE,
        needs=settings.catalog.absolute(),
        grace_seconds=settings.drain_seconds + _MORE_SECONDS,
    )


def _worker(  # noqa: PLR0913, PLR0917 - what a worker is made of
    name: str,
    listen: str | None,
    settings: DeploymentSettings,
    sockets: Path,
    environment: Mapping[str, str],
    serial: int,
) -> Part:
    """Returns a worker with a socket of its own, and on the address that all share if there is one."""
    socket = sockets / f"{name}.{serial}.sock"
    places = (
        {"GAPURA_LISTEN": listen, "GAPURA_OWN_SOCKET": str(socket)} if listen else {"GAPURA_LISTEN": f"unix:{socket}"}
    )
    return Part(
        name=name,
        command=_COMMAND,
        log=settings.logs / f"{name}.log",
        probe=GrpcHealth(f"unix:{socket}"),
        address=listen or f"unix:{socket}",
        environment={**environment, **places},
        stage=STAGE,
        needs=settings.catalog.absolute(),  # what a native worker starts without takes the slow way through it
        grace_seconds=settings.drain_seconds + _MORE_SECONDS,
        renew=partial(_worker, name, listen, settings, sockets, environment),
    )
