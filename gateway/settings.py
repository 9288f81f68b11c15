"""Settings of the gateway: environment variables `GAPURA_*`, read once."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway.errors import ConfigurationError


def split(value: object) -> object:
    """Takes text with commas apart."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Addresses = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]


def split_pairs(value: object) -> object:
    """Takes text such as `a=1,b=2` apart."""
    if not isinstance(value, str):
        return value
    pairs = (part.partition("=") for part in value.split(",") if part.strip())
    return {name.strip().removeprefix("/"): number.strip() for name, _, number in pairs}


SlowMethods = Annotated[dict[str, Annotated[float, Field(gt=0)]], NoDecode, BeforeValidator(split_pairs)]


class Settings(BaseSettings):
    """Everything that an operator can choose."""

    model_config = SettingsConfigDict(env_prefix="GAPURA_", frozen=True)

    listen: str = Field(
        "127.0.0.1:9003",
        description="Address of the gRPC listener, host:port or unix:/path; port 0 takes a free one.",
    )
    feature_store_listen: str = Field(
        "127.0.0.1:9002", description="Address at which `gapura feature-store` listens instead; as `listen`."
    )
    own_socket: Path | None = Field(
        None,
        description="Lets several grpcio workers share the port; a unix socket at which this one alone is reached.",
    )
    listener: str = Field("grpcio", description="Name of the listener implementation: grpcio or native.")
    trusted_network: bool = Field(
        default=False,
        description="Lets the native listener take any address. It has no limit for what one caller makes it allocate: "
        "say so only where nobody but trusted callers, or a proxy that limits them, can connect.",
    )
    behind_edge: bool = Field(
        default=False,
        description="Takes the tenant from the certificate that the edge tells of in x-forwarded-client-cert. Whoever "
        "reaches the listener could write that: it has to be native on a unix socket of its own user.",
    )
    in_flight: int = Field(16_384, ge=1, description="Calls and streams under way at once; further ones are refused.")
    backend: str = Field("onnx", description="Name of the backend implementation.")
    repository: Path = Field(Path("model_repository"), description="Model repository in Triton's layout.")
    catalog: Path = Field(Path("var/catalog/catalog.binpb"), description="Catalog that the hub writes.")
    redis_url: SecretStr | None = Field(
        None,
        description="Redis in which the hub publishes the catalog too: redis://, rediss:// or unix://.",
    )
    catalog_key: str = Field(
        "gapura:catalog", min_length=1, description="Key of the catalog in Redis, and channel that tells of a new one."
    )
    features_url: SecretStr | None = Field(
        None,
        description="Redis of stored features: redis://, rediss://, unix://, redis+sentinel://HOST:PORT,.../SERVICE "
        "or redis+cluster://HOST:PORT,...; that of the catalog if not set.",
    )
    features_budget_ms: float = Field(
        20.0, gt=0, description="For how long a call waits for its stored features, before it is answered without."
    )
    features_copies: int = Field(20_000, ge=1, description="Rows of each feature view that are kept in memory.")
    features_copy_seconds: float = Field(
        60.0, gt=0, description="For how long a row in memory is used without a look at Redis, which tells of changes."
    )
    contracts: Path = Field(
        Path("var/catalog/contracts"),
        description="Folder of further descriptor sets (*.binpb), served beside the built-in contracts.",
    )
    tenants: Path = Field(Path("var/tenants.yaml"), description="Tenants, their hashed keys and policies.")
    usage: Path = Field(Path("var/usage"), description="Folder in which is written down what tenants have used.")
    metrics_listen: str = Field(
        "", description="Address, host:port, at which Prometheus reads the metrics of all processes; none if empty."
    )
    operations_listen: str = Field(
        "127.0.0.1:9006",
        description="Address, host:port, of the page of `gapura operations`; one of loopback if there is no token.",
    )
    operations_token: SecretStr | None = Field(
        None, description="Lets whoever knows it see the page from elsewhere: as bearer token, or as password."
    )
    telemetry: Path = Field(
        Path("var/telemetry"),
        description="Folder in which the processes of a machine tell of themselves and of calls.",
    )
    verdicts: Path = Field(
        Path("var/verdicts"),
        description="Folder in which is written down which arms of experiments guardrails have found at fault.",
    )
    telemetry_enabled: bool = Field(default=True, description="Says false to note nothing of calls.")
    trace_ratio: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of calls whose traces are kept beside those that fail or are slow; callers that send a "
        "traceparent decide themselves.",
    )
    slow_ms: float = Field(100.0, gt=0, description="Traces of calls that take longer are kept.")
    slow_methods: SlowMethods = Field(
        {}, description="The same for single methods: package.Service/Method=20, separated by commas."
    )
    quota_key: str = Field(
        "gapura:quota", min_length=1, description="Prefix of the keys in Redis by which gateways share tenants' quotas."
    )
    quota_shares: int = Field(
        1,
        ge=1,
        description="Gateways among which tenants' quotas are divided while Redis does not tell how many there are.",
    )
    tls_certificate: Path | None = Field(
        None, description="Certificate chain of the grpcio listener, PEM; TLS if it is set."
    )
    tls_key: Path | None = Field(None, description="Private key of the certificate, PEM.")
    tls_client_ca: Path | None = Field(
        None, description="Authorities of client certificates, PEM: callers have to show one, and are known by it."
    )
    max_message_mib: int = Field(128, ge=1, le=1024, description="Largest message accepted, in MiB.")
    queue_rows: int = Field(16_384, ge=1, description="Rows that may wait for one model version.")
    nodes: Addresses = Field((), description="Triton nodes, host or host:port, separated by commas.")
    gpu_nodes: Addresses = Field((), description="Triton nodes with a GPU, for models that are placed there.")
    queue_mib: int = Field(1024, ge=1, description="Tensors that may wait for one model version, in MiB.")
    queue_seconds: float = Field(
        2.0, gt=0, description="How long a call without deadline may have to wait before it is refused at once."
    )
    slots: int | None = Field(
        None, ge=1, description="Batches of one model version under way at once; learnt from their times if not set."
    )
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Batches of all models that the embedded backend runs at once.",
    )
    watch_seconds: float = Field(
        1.0, gt=0, description="Time between looks at Redis and at health, and tries of what could not be loaded."
    )
    drain_seconds: float = Field(15.0, ge=0, description="Time that calls under way get to finish at shutdown.")

    @property
    def redis(self) -> str | None:
        """URL of Redis, with its password; None where there is to be none."""
        return (self.redis_url.get_secret_value() or None) if self.redis_url else None

    @property
    def features_redis(self) -> str | None:
        """URL of the Redis of the features, with its password; None where there is to be none."""
        return (self.features_url.get_secret_value() or None) if self.features_url else self.redis

    @model_validator(mode="after")
    def _is_consistent(self) -> "Settings":
        if self.backend == "triton" and not (self.nodes or self.gpu_nodes):
            raise ValueError("GAPURA_BACKEND=triton needs nodes: set GAPURA_NODES or GAPURA_GPU_NODES")
        private = self.listen.startswith("unix:") and self.listener == "native" and not self.trusted_network
        if self.behind_edge and not private:
            raise ValueError(
                "GAPURA_BEHIND_EDGE=true believes whoever can connect: it needs GAPURA_LISTENER=native, "
                "GAPURA_LISTEN=unix:/path, and no GAPURA_TRUSTED_NETWORK"
            )
        if self.tls_certificate is None and (self.tls_key or self.tls_client_ca):
            raise ValueError("GAPURA_TLS_KEY and GAPURA_TLS_CLIENT_CA need GAPURA_TLS_CERTIFICATE: set it too")
        if self.tls_certificate is not None and (self.tls_key is None or self.listener != "grpcio"):
            raise ValueError("GAPURA_TLS_CERTIFICATE needs GAPURA_TLS_KEY, and GAPURA_LISTENER=grpcio")
        return self


def read_settings(**overrides: object) -> Settings:
    """Reads the environment; overrides that are not None win.

    Raises:
        ConfigurationError: A value is not valid; the message names the variable.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type] # validated there
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        told = first["msg"].removeprefix("Value error, ")
        name = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"GAPURA_{name.upper()}: {told}" if name else told) from error
