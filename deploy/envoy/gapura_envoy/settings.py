"""What an operator can choose of the edge: environment variables `GAPURA_EDGE_*`. Read by commands only."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gapura_envoy.errors import EdgeError

PREFIX = "GAPURA_EDGE_"


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class EdgeSettings(BaseSettings):
    """Settings of the edge. Relative paths start at the working directory."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    listen: str = Field(default="127.0.0.1:9003", description="Address that callers connect to, host:port.")
    home: Path = Field(default=Path("var/edge"), description="Folder of what Envoy reads, and of its admin socket.")
    certificate: Path | None = Field(default=None, description="TLS certificate chain, PEM; without it, no TLS.")
    key: Path | None = Field(default=None, description="Private key of the certificate, PEM.")
    client_ca: Path | None = Field(default=None, description="Authorities whose clients' certificates are taken, PEM.")
    client_certificate: Literal["required", "optional"] = Field(
        default="required",
        description="Whether callers have to show a certificate, given GAPURA_EDGE_CLIENT_CA.",
    )
    message_mib: int = Field(default=64, ge=1, le=1024, description="Largest message accepted, in MiB.")
    header_kib: int = Field(default=16, ge=1, le=96, description="Largest headers of one request, in KiB.")
    streams: int = Field(default=100, ge=1, description="Calls at once on one connection; others wait at the caller.")
    connections: int = Field(default=10_000, ge=1, description="Connections at once; further ones are closed.")
    calls: int = Field(default=32_768, ge=1, description="Calls at once to all workers; further ones are refused.")
    heap_mib: int = Field(
        default=144,
        ge=64,
        description="Memory of Envoy, in MiB; near it the calls that hold the most are ended and further ones refused. "
        "A call under way takes 26 KiB and what of its message has come.",
    )
    buffer: bool = Field(
        default=True,
        description="Whether a request is held until it is whole. Workers allocate what a message claims to be: "
        "without it one caller can end them.",
    )
    header_seconds: float = Field(default=10.0, gt=0, description="Time in which headers of a request have to come.")
    idle_seconds: float = Field(
        default=300.0,
        gt=0,
        description="Time without a byte after which a unary call is ended, and a connection without calls.",
    )
    drain_seconds: float = Field(default=15.0, ge=0, description="Time that calls under way get to finish at the end.")
    threads: int = Field(
        default_factory=lambda: max((os.cpu_count() or 1) // 2, 1), ge=1, description="Threads of Envoy."
    )
    premature_resets: int = Field(
        default=500, ge=1, description="Calls of a connection, half of them cancelled within a second, that close it."
    )
    web: bool = Field(default=True, description="Whether to speak gRPC-Web.")
    origins: Origins = Field(
        default=(),
        description="Origins whose pages may call, https://erp.example, separated by commas; * for all.",
    )
    access_log: Path | None = Field(
        default=Path("access.log"),
        description="Where calls are logged, a line of JSON each, from GAPURA_EDGE_HOME; empty for nowhere.",
    )
    access_log_percent: float = Field(
        default=100.0,
        ge=0,
        le=100,
        description="Share of answered calls without a trace that are logged; others all are.",
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> "EdgeSettings":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("GAPURA_EDGE_CERTIFICATE and GAPURA_EDGE_KEY need each other")
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("GAPURA_EDGE_CLIENT_CA needs GAPURA_EDGE_CERTIFICATE: only TLS shows certificates")
        return self

    @property
    def admin(self) -> Path:
        """The unix socket of Envoy's administration; only its own user may connect."""
        return self.home.absolute() / "admin.sock"

    @property
    def log(self) -> Path | None:
        """The access log, absolute."""
        if self.access_log is None or self.access_log == Path():
            return None
        return self.home.absolute() / self.access_log


def read_settings(**overrides: object) -> EdgeSettings:
    """Reads the environment; overrides that are not None win.

    Raises:
        EdgeError: A value is not valid; the message names the variable.
    """
    try:
        return EdgeSettings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type] # validated there
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        told = first["msg"].removeprefix("Value error, ")
        name = ".".join(map(str, first["loc"]))
        raise EdgeError(f"{PREFIX}{name.upper()}: {told}" if name else told) from error
