"""The edge's commands: `gapura edge check`, `config` and `run`.

Everything heavy is imported when a command runs, so that `gapura --help` answers at once.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import click

from gapura_envoy.errors import EdgeError

_Parameters = ParamSpec("_Parameters")
_workers = click.option(
    "--worker", "workers", multiple=True, required=True, help="Address of a worker, unix:/path; repeatable."
)
_contracts = click.option(
    "--contracts",
    type=click.Path(path_type=Path),
    envvar="GAPURA_CONTRACTS",
    default=Path("var/catalog/contracts"),
    show_default=True,
    help="Folder of further descriptor sets.  [GAPURA_CONTRACTS]",
)


def _explained(command: Callable[_Parameters, None]) -> Callable[_Parameters, None]:
    """Turns what can go wrong into one message and exit status 1."""

    @functools.wraps(command)
    def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (EdgeError, OSError) as error:
            raise click.ClickException(str(error)) from error

    return run


@click.group()
def edge() -> None:
    """Put Envoy before workers of the gateway: TLS, limits, even load, REST.

    Every setting is an environment variable GAPURA_EDGE_...; `gapura edge settings` lists them.
    """


@edge.command()
@_explained
def settings() -> None:
    """List the settings with their values."""
    from gapura_envoy.settings import PREFIX, EdgeSettings, read_settings

    values = read_settings()
    for name, field in EdgeSettings.model_fields.items():
        click.echo(f"{PREFIX}{name.upper()}={getattr(values, name)}\n    {field.description}")


@edge.command()
@_workers
@_contracts
@_explained
def config(workers: tuple[str, ...], contracts: Path) -> None:
    """Print what Envoy would read, as one file, and have Envoy check it."""
    import json

    from gapura_envoy.binary import validate
    from gapura_envoy.contracts import read_contracts
    from gapura_envoy.files import compose, compose_whole
    from gapura_envoy.settings import read_settings

    chosen = read_settings()
    files = compose(chosen, workers, read_contracts(contracts))
    click.echo(json.dumps(compose_whole(files), indent=1))
    validate(chosen, files)


@edge.command()
@_workers
@_contracts
@_explained
def run(workers: tuple[str, ...], contracts: Path) -> None:
    """Run Envoy in the foreground before workers that run already."""
    import os

    from gapura_envoy.binary import command, validate
    from gapura_envoy.contracts import read_contracts
    from gapura_envoy.files import compose, write
    from gapura_envoy.settings import read_settings

    chosen = read_settings()
    files = compose(chosen, workers, read_contracts(contracts))
    validate(chosen, files)
    arguments = command(chosen, write(files))
    os.execv(arguments[0], arguments)  # noqa: S606 - no shell is wanted


@edge.command()
@_explained
def drain() -> None:
    """Send callers of a running Envoy elsewhere and wait for their calls."""
    from gapura_envoy.admin import drain as drain_calls
    from gapura_envoy.settings import read_settings

    chosen = read_settings()
    left = drain_calls(chosen.admin, chosen.drain_seconds)
    click.echo(f"{left} calls are still under way" if left else "no call is under way")
