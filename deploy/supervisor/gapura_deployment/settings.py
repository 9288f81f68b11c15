"""What the parts of a deployment share: environment variables `GAPURA_*`. Read by commands only."""

import os
from pathlib import Path

from gapura_supervisor.errors import SupervisionError
from gapura_supervisor.settings import SupervisorSettings
from pydantic import Field, ValidationError

_SQLITE = "sqlite:///"


class DeploymentSettings(SupervisorSettings):
    """Settings of a deployment. Workers read their own; these are what the supervisor has to know too."""

    repository: Path = Field(default=Path("model_repository"), description="Model repository, in Triton's layout.")
    catalog: Path = Field(default=Path("var/catalog/catalog.binpb"), description="Catalog that the hub writes.")
    contracts: Path = Field(default=Path("var/catalog/contracts"), description="Folder of further descriptor sets.")
    mlflow_uri: str = Field(default="sqlite:///var/mlflow.db", description="Registry that MLflow's server shows.")
    mlflow_port: int = Field(default=5000, ge=1, le=65_535, description="Port of MLflow's server, on loopback.")
    listener: str | None = Field(default=None, description="Listener of the workers; the edge decides if not set.")
    redis_url: str = Field(default="", repr=False, description="Redis that runs already; a Valkey of ours if not set.")
    feature_store_listen: str = Field(default="127.0.0.1:9002", description="Address of the feature store's service.")
    operations_listen: str = Field(default="127.0.0.1:9006", description="Address of the operations page.")
    nodes: str = Field(default="", description="Triton nodes that run already.")
    gpu_nodes: str = Field(default="", description="Triton nodes with a GPU that run already.")
    drain_seconds: float = Field(default=15.0, ge=0, description="Time that calls under way get at the end.")
    threads: int | None = Field(default=None, ge=1, description="Batches at once of each worker, embedded.")

    @property
    def logs(self) -> Path:
        """Folder of the parts' logs."""
        return (self.var / "log").absolute()

    @property
    def registry(self) -> str:
        """`mlflow_uri`; a SQLite path in it is absolute and its folder exists."""
        if not self.mlflow_uri.startswith(_SQLITE):
            return self.mlflow_uri
        database = Path(self.mlflow_uri.removeprefix(_SQLITE)).absolute()
        database.parent.mkdir(parents=True, exist_ok=True)
        return f"{_SQLITE}{database}"


def read_settings() -> DeploymentSettings:
    """Reads the environment.

    Raises:
        SupervisionError: A value is not valid; the message names the variable.
    """
    try:
        return DeploymentSettings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise SupervisionError(f"GAPURA_{name.upper()}: {first['msg']}") from error


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0))
