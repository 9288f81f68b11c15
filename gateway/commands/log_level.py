"""`gapura log-level`: shows or changes the log level of processes that run."""

import click

from gateway.errors import ConfigurationError


@click.command("log-level")
@click.argument("level", required=False)
def log_level(*, level: str | None) -> None:
    """Show the log level of each process, or change that of all: debug, info, warning, error or critical.

    Processes take a new level within seconds, and those that start later take it too.
    """
    from gateway.operations.log_level import read_level, write_level
    from gateway.operations.states import read_states
    from gateway.settings import read_settings

    try:
        folder = read_settings().telemetry
        if level is not None:
            write_level(folder, level.lower())
            return
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"asked for  {read_level(folder) or 'nothing'}")
    for state in read_states(folder):
        click.echo(f"{state.worker}  {state.log_level or 'unknown'}")
