"""The hub that watches the registry, and runs beside the gateway when asked for."""

import sys
from collections.abc import Mapping

from gapura_supervisor.part import Part
from gapura_supervisor.probes import Runs

from gapura_deployment.options import PUBLISHER
from gapura_deployment.settings import DeploymentSettings
from gapura_deployment.stores import require_package

STAGE = 1
_EXIT_SECONDS = 30.0  # a look under way is finished


def compose_publisher(settings: DeploymentSettings, environment: Mapping[str, str]) -> Part:
    """Returns the hub, which has no address.

    Args:
        settings: Of the deployment.
        environment: Variables that it gets beside its own.

    Raises:
        SupervisionError: It is not installed.
    """
    require_package(PUBLISHER, "mlflow", extra="hub")
    return Part(
        name=PUBLISHER,
        command=(sys.executable, "-m", "gateway", "publish", "--watch"),
        log=settings.logs / "publisher.log",
        probe=Runs(),
        address="-",
        environment=environment,
        stage=STAGE,
        awaited=False,  # calls do not need it
        grace_seconds=_EXIT_SECONDS,
    )
