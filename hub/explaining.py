"""Turns what can go wrong with a command into one message."""

import functools
from collections.abc import Callable
from typing import ParamSpec

import click
from gapura_supervisor.errors import SupervisionError

from hub.chatter import silence_mlflow
from hub.durability import explain
from hub.errors import HubError

_OWN = ("converters", "erpml", "gapura_client", "gateway", "hub")

_Parameters = ParamSpec("_Parameters")


def explained(extra: str) -> Callable[[Callable[_Parameters, None]], Callable[_Parameters, None]]:
    """Turns what can go wrong with a command, which needs an extra, into one message and exit status 1."""

    def wrap(command: Callable[_Parameters, None]) -> Callable[_Parameters, None]:
        @functools.wraps(command)
        def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> None:
            silence_mlflow()
            try:
                command(*args, **kwargs)
            except (HubError, SupervisionError) as error:
                raise click.ClickException(str(error)) from error
            except OSError as error:
                raise click.ClickException(explain(error)) from error
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] in _OWN:
                    raise
                raise click.ClickException(f"{error.name} is not installed: pip install 'gapura[{extra}]'") from error

        return run

    return wrap
