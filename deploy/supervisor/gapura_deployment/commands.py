"""`gapura start`: runs a deployment.

Everything heavy is imported when a command runs, so that `gapura --help` answers at once.
"""

import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TextIO

import click
from gapura_supervisor.errors import SupervisionError

from gapura_deployment.options import Choice, deployment_options


@click.command()
@deployment_options
def start(choice: Choice) -> None:
    """Run the gateway, and what was asked for around it, until SIGTERM or Ctrl-C.

    It serves what is published; `gapura up` also trains, publishes and tries a first model. `gapura ps` shows what
    runs, `gapura reload` replaces the workers. A second signal ends everything at once.
    """
    from functools import partial

    from gapura_supervisor.addresses import reserve
    from gapura_supervisor.deployment import supervise
    from gapura_supervisor.report import describe

    from gapura_deployment.composition import compose
    from gapura_deployment.settings import read_settings

    try:
        settings = read_settings()
        settings.logs.mkdir(parents=True, exist_ok=True)
        with reserve(choice.listen):
            status = supervise(
                settings.place,
                partial(compose, choice, settings),
                say,
                lambda state: write(
                    sys.stdout, f"{describe(state)}\nserving on {choice.listen}; logs are in {settings.logs}"
                ),
            )
    except (SupervisionError, OSError) as error:
        raise click.ClickException(str(error)) from error
    raise click.exceptions.Exit(status)


def say(line: str) -> None:
    """Writes a line for the operator, with its time."""
    write(sys.stderr, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}")


def write(stream: TextIO, text: str) -> None:
    """Writes lines; a full disk, or a reader that is gone, does not end what serves."""
    with suppress(OSError):
        stream.write(f"{text}\n")
        stream.flush()
