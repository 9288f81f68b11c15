"""The launcher's commands: `gapura triton install`, `start`, `stop` and `status`.

Everything heavy is imported when a command runs, so that `gapura --help` answers at once.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import click

from gapura_triton.errors import LauncherError

_Parameters = ParamSpec("_Parameters")


def _explained(command: Callable[_Parameters, None]) -> Callable[_Parameters, None]:
    """Turns what can go wrong into one message and exit status 1."""

    @functools.wraps(command)
    def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (LauncherError, OSError) as error:  # a full disk names the file
            raise click.ClickException(str(error)) from error

    return run


@click.group()
def triton() -> None:
    """Run Triton nodes on this machine, without a container."""


@triton.command()
@_explained
def install() -> None:
    """Install tritonserver and its ONNX Runtime backend."""
    from gapura_triton.installation import Installation
    from gapura_triton.installing import install as make_installation
    from gapura_triton.settings import TritonSettings

    make_installation(Installation(TritonSettings().home), click.echo)


@triton.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--repository", type=click.Path(path_type=Path), help="Model repository. [default: GAPURA_REPOSITORY]")
@click.option("--grpc-port", type=click.IntRange(1, 65535), help="Port on loopback. [default: its last, or a free one]")
@click.option(
    "--memory-budget-mib",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Start a node anew when it holds more, since Triton keeps the memory of unloaded models; 0 for never.",
)
@click.option(
    "--timeout-seconds", type=click.FloatRange(0), default=120.0, show_default=True, help="How long it may take."
)
@_explained
def start(
    names: tuple[str, ...],
    repository: Path | None,
    grpc_port: int | None,
    memory_budget_mib: int,
    timeout_seconds: float,
) -> None:
    """Start nodes, `node1` by default, and keep them running; returns once they are live."""
    from gapura_triton.fleet import node_folder, start_node
    from gapura_triton.settings import TritonSettings

    if grpc_port and len(names) > 1:
        raise click.UsageError("--grpc-port is for one node")
    settings = TritonSettings()
    for name in names or ("node1",):
        node, started = start_node(
            node_folder(settings.home, name),
            settings.home,
            repository or settings.repository,
            grpc_port=grpc_port,
            memory_budget_mib=memory_budget_mib,
            timeout_seconds=timeout_seconds,
        )
        serves = "serves" if started else "already serves"
        click.echo(f"{node.name} {serves} {node.address} (supervisor {node.supervisor}, log {node.log})")


@triton.command()
@click.argument("name")
@click.option("--repository", type=click.Path(path_type=Path), help="Model repository. [default: GAPURA_REPOSITORY]")
@click.option("--grpc-port", type=click.IntRange(1, 65535), help="Port on loopback. [default: its last, or a free one]")
@_explained
def run(name: str, repository: Path | None, grpc_port: int | None) -> None:
    """Keep one node running in the foreground, until SIGTERM."""
    from gapura_triton.fleet import node_folder, run_node
    from gapura_triton.settings import TritonSettings

    settings = TritonSettings()
    run_node(node_folder(settings.home, name), settings.home, repository or settings.repository, grpc_port)


@triton.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_explained
def stop(names: tuple[str, ...]) -> None:
    """Stop nodes, all of them by default; calls under way are finished."""
    from gapura_triton.fleet import choose_nodes, stop_node
    from gapura_triton.settings import TritonSettings

    nodes = choose_nodes(TritonSettings().home, names)
    if not nodes:
        click.echo("no nodes")
    for node in nodes:
        click.echo(f"{node.name} {'stopped' if stop_node(node) else 'was not running'}")


@triton.command()
@_explained
def status() -> None:
    """Show every node that was ever started."""
    from gapura_triton.fleet import find_nodes
    from gapura_triton.settings import TritonSettings
    from gapura_triton.table import describe

    click.echo(describe(find_nodes(TritonSettings().home)))
