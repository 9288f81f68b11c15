"""The hub's commands: `gapura train`, `gapura publish` and `gapura up`.

Everything heavy is imported when a command runs, so that `gapura --help` answers at once.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec

import click

from hub.chatter import silence_mlflow
from hub.errors import HubError

_OWN = ("converters", "erpml", "gapura_client", "gateway", "hub")
_INTERRUPTED = 130  # as a shell says it

_Parameters = ParamSpec("_Parameters")


def _explained(extra: str) -> Callable[[Callable[_Parameters, None]], Callable[_Parameters, None]]:
    """Turns what can go wrong with a command, which needs an extra, into one message and exit status 1."""

    def explain(command: Callable[_Parameters, None]) -> Callable[_Parameters, None]:
        @functools.wraps(command)
        def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> None:
            silence_mlflow()
            try:
                command(*args, **kwargs)
            except (HubError, OSError) as error:  # a full disk names the file
                raise click.ClickException(str(error)) from error
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] in _OWN:
                    raise
                raise click.ClickException(f"{error.name} is not installed: pip install 'gapura[{extra}]'") from error

        return run

    return explain


@click.command()
@click.argument("name")
@_explained("hub")
def train(name: str) -> None:
    """Train the model NAME, such as team3/credit_scoring, and make it champion."""
    from hub.training.pipelines import find_pipeline

    pipeline = find_pipeline(name)  # a wrong name is answered before the slow imports

    from hub.settings import read_settings
    from hub.training.run import train_and_register

    train_and_register(pipeline, read_settings(), click.echo)


@click.command()
@_explained("hub")
def publish() -> None:
    """Convert, prove and put live every model whose champion is not served yet."""
    from hub.publication import publish_all
    from hub.settings import read_settings

    if not publish_all(read_settings(), click.echo):
        raise click.exceptions.Exit(1)


@click.command()
@click.option("--listen", default="127.0.0.1:9003", show_default=True, help="Address of the gateway, HOST:PORT.")
@click.option(
    "--backend",
    type=click.Choice(["onnx", "triton"]),
    default="onnx",
    show_default=True,
    help="What computes: the gateway itself, or two Triton nodes that are installed and started here.",
)
@click.option("--once", is_flag=True, help="Stop after the calls instead of serving on.")
@_explained("train")
def up(listen: str, backend: str, once: bool) -> None:  # noqa: FBT001 - click passes by name
    """Train and publish what is missing, start a gateway, score held-out applicants, and serve on."""
    from hub.quickstart.tour import take_tour
    from hub.settings import read_settings

    try:
        take_tour(read_settings(), listen, backend=backend, once=once)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        raise click.exceptions.Exit(_INTERRUPTED) from None
