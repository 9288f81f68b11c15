"""What an operator can say of a deployment, on the command line of `gapura start` and `gapura up`."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import click

NO_EDGE, ENVOY = "none", "envoy"
ONNX, TRITON = "onnx", "triton"
MLFLOW, VALKEY, FEATURE_STORE = "mlflow", "valkey", "feature-store"
OPERATIONS, PUBLISHER = "operations", "publisher"

_OPTIONS = (
    click.option("--listen", default="127.0.0.1:9003", show_default=True, help="Address of the gateway, HOST:PORT."),
    click.option(
        "--edge",
        type=click.Choice([NO_EDGE, ENVOY]),
        default=NO_EDGE,
        show_default=True,
        help="What callers meet: workers that share the port, or Envoy (TLS, limits, REST) before native workers.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1, 256),
        help="Processes of the gateway.  [default: as many as cores behind Envoy, or else 1]",
    ),
    click.option(
        "--backend",
        type=click.Choice([ONNX, TRITON]),
        default=ONNX,
        show_default=True,
        help="What computes: the workers themselves, or Triton nodes: those of GAPURA_NODES, or two that run here.",
    ),
    click.option(
        "--with",
        "extras",
        type=click.Choice([MLFLOW, VALKEY, FEATURE_STORE, OPERATIONS, PUBLISHER]),
        multiple=True,
        help="Also run MLflow's server over the registry, a Valkey, the feature store's service, the operations page, "
        "or the hub that publishes what the registry says; repeatable.",
    ),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    Attributes:
        listen: Address of the gateway, `host:port`.
        edge: What callers meet.
        workers: How many, if that was said.
        backend: What computes.
        extras: What else runs.
    """

    listen: str
    edge: str
    workers: int | None
    backend: str
    extras: tuple[str, ...]

    def beside(self, *extras: str) -> "Choice":
        """Returns the same with more that runs beside the gateway."""
        return replace(self, extras=(*self.extras, *(extra for extra in extras if extra not in self.extras)))

    @property
    def arguments(self) -> list[str]:
        """The command line that says so."""
        workers = [f"--workers={self.workers}"] if self.workers else []
        extras = [f"--with={extra}" for extra in self.extras]
        return [f"--listen={self.listen}", f"--edge={self.edge}", f"--backend={self.backend}", *workers, *extras]


def deployment_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of a deployment; it is handed their values as its argument `choice`."""

    @functools.wraps(command)
    def run(**values: Any) -> None:
        chosen = {field.name: values.pop(field.name) for field in fields(Choice)}
        command(choice=Choice(**chosen), **values)

    wrapped: Callable[..., None] = run
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
