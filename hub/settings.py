"""Where the hub keeps its files, and where its registry is. Read by commands only."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

SQLITE = "sqlite:///"


class HubSettings(BaseSettings):
    """Settings of the control plane, from environment variables that start with `GAPURA_`.

    Relative paths start at the working directory.
    """

    model_config = SettingsConfigDict(env_prefix="GAPURA_", frozen=True, extra="ignore")

    var: Path = Field(default=Path("var"), description="Folder for data, artifacts, keys and logs.")
    repository: Path = Field(default=Path("model_repository"), description="Model repository, in Triton's layout.")
    catalog: Path = Field(default=Path("var/catalog/catalog.binpb"), description="Snapshot of what is served.")
    tenants: Path = Field(default=Path("var/tenants.yaml"), description="Tenants of the gateway that `up` starts.")
    mlflow_uri: str = Field(
        default="sqlite:///var/mlflow.db", description="MLflow tracking and registry store: a SQLite file or a server."
    )

    @property
    def registry_uri(self) -> str:
        """`mlflow_uri`; a SQLite path in it is absolute and its folder exists."""
        if not self.mlflow_uri.startswith(SQLITE):
            return self.mlflow_uri
        database = Path(self.mlflow_uri.removeprefix(SQLITE)).absolute()
        database.parent.mkdir(parents=True, exist_ok=True)
        return f"{SQLITE}{database}"

    @property
    def artifact_uri(self) -> str | None:
        """Where runs of a SQLite registry keep artifacts; a server knows its own place."""
        if not self.mlflow_uri.startswith(SQLITE):
            return None
        return (self.var / "mlartifacts").absolute().as_uri()
