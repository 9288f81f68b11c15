"""The operations page, which runs beside the gateway when asked for."""

import sys

from gapura_supervisor.addresses import require_free
from gapura_supervisor.part import Part
from gapura_supervisor.probes import HttpOk

from gapura_deployment.options import OPERATIONS
from gapura_deployment.settings import DeploymentSettings

STAGE = 1


def compose_operations(settings: DeploymentSettings) -> Part:
    """Returns the page, which reads what the other processes write.

    Raises:
        SupervisionError: Its address is taken, or is not one of this machine.
    """
    address = settings.operations_listen
    require_free(address, "choose another with GAPURA_OPERATIONS_LISTEN")
    return Part(
        name=OPERATIONS,
        command=(sys.executable, "-m", "gateway", "operations"),
        log=settings.logs / "operations.log",
        probe=HttpOk(int(address.rpartition(":")[2]), "/healthz"),
        address=f"http://{address}",
        environment={"GAPURA_OPERATIONS_LISTEN": address},
        stage=STAGE,
        awaited=False,  # calls do not need it
    )
