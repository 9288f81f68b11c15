"""Where the hub keeps its files, where its registry is, and which nodes serve. Read by commands only."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hub.errors import HubError

SQLITE = "sqlite:///"
_NODE = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_LISTEN = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):(?P<port>[0-9]{1,5})")
_LAST_PORT = 65_535

Nodes = Annotated[tuple[str, ...], NoDecode]


class HubSettings(BaseSettings):
    """Settings of the control plane, from environment variables that start with `GAPURA_`.

    Relative paths start at the working directory.
    """

    model_config = SettingsConfigDict(env_prefix="GAPURA_", frozen=True, extra="ignore")

    var: Path = Field(default=Path("var"), description="Folder for data, artifacts, keys and logs.")
    repository: Path = Field(default=Path("model_repository"), description="Model repository, in Triton's layout.")
    catalog: Path = Field(default=Path("var/catalog/catalog.binpb"), description="Snapshot of what is served.")
    contracts: Path = Field(
        default=Path("var/catalog/contracts"),
        description="Folder of further descriptor sets, beside the built-in ones.",
    )
    tenants: Path = Field(default=Path("var/tenants.yaml"), description="Tenants of the gateway that `up` starts.")
    mlflow_uri: str = Field(
        default="sqlite:///var/mlflow.db", description="MLflow tracking and registry store: a SQLite file or a server."
    )
    nodes: Nodes = Field(
        default=(),
        description="Triton nodes without an accelerator, HOST[:PORT],...; a name stands for all its addresses.",
    )
    gpu_nodes: Nodes = Field(default=(), description="Triton nodes with a GPU, in the same form.")
    handover_seconds: float = Field(
        default=5.0,
        ge=0,
        allow_inf_nan=False,
        description="Time that gateways get to follow a new catalog before nodes drop what it no longer names.",
    )

    poll_seconds: float = Field(
        default=0.5, gt=0, allow_inf_nan=False, description="Time between two looks at the registry of a watching hub."
    )
    convert_seconds: float = Field(
        default=600.0, gt=0, allow_inf_nan=False, description="Longest time that the conversion of one model may take."
    )
    convert_memory_mib: int = Field(
        default=8192, gt=0, description="Most memory that the conversion of one model may take, in MiB."
    )
    verdicts: Path = Field(
        default=Path("var/verdicts"), description="Folder of verdicts that gateways have passed on arms."
    )
    freeze: Path = Field(default=Path("var/freeze.yaml"), description="Freeze windows; none where it is missing.")
    redis_url: SecretStr | None = Field(
        default=None, description="Redis that carries the catalog to gateways, redis://[USER:PASSWORD@]HOST:PORT."
    )
    catalog_key: str = Field(default="gapura:catalog", min_length=1, description="Key and channel of the catalog.")
    features_url: SecretStr | None = Field(
        default=None,
        description="Redis that holds features: redis://, rediss://, unix://, redis+sentinel://HOST:PORT,.../SERVICE "
        "or redis+cluster://HOST:PORT,...; the one of the catalog by default.",
    )
    webhook_listen: str | None = Field(
        default=None, description="Where a watching hub takes MLflow's webhooks, HOST:PORT; none by default."
    )
    webhook_secret: SecretStr | None = Field(default=None, description="Secret that MLflow signs webhooks with.")

    @property
    def conversions(self) -> Path:
        """Where conversions are kept, to be used again."""
        return self.var / "conversions"

    @property
    def features(self) -> Path:
        """Where declarations of feature views, staged rows and pushed rows are kept."""
        return self.var / "features"

    @property
    def features_redis(self) -> str | None:
        """URL of the Redis that holds features, with its password: as it is set, or of the deployment's own Valkey."""
        secret, own = self.features_url or self.redis_url, self.var / "valkey/url"
        if secret is not None and secret.get_secret_value():
            return secret.get_secret_value()
        return own.read_text().strip() if own.exists() else None

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

    @field_validator("nodes", "gpu_nodes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [entry.strip() for entry in value.split(",") if entry.strip()]

    @field_validator("nodes", "gpu_nodes")
    @classmethod
    def _require_addresses(cls, nodes: tuple[str, ...]) -> tuple[str, ...]:
        for node in nodes:
            match = _NODE.fullmatch(node)
            if match is None or not 0 < int(match["port"] or 1) <= _LAST_PORT:
                raise ValueError(f"{node!r} is no node: write HOST:PORT or HOST, separated by commas")
        return nodes

    @field_validator("webhook_listen")
    @classmethod
    def _require_place(cls, place: str | None) -> str | None:
        match = _LISTEN.fullmatch(place) if place is not None else None
        if place is not None and (match is None or int(match["port"]) > _LAST_PORT):
            raise ValueError(f"{place!r} is no place to listen: write HOST:PORT, such as 127.0.0.1:9100")
        return place


def read_settings() -> HubSettings:
    """Reads the environment.

    Raises:
        HubError: A value is not valid; the message names the variable.
    """
    try:
        return HubSettings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise HubError(f"GAPURA_{name.upper()}: {first['msg'].removeprefix('Value error, ')}") from error
