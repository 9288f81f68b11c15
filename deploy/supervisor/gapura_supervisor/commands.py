"""What operators ask a running deployment: `gapura ps` and `gapura reload`.

Everything heavy is imported when a command runs, so that `gapura --help` answers at once.
"""

import click

from gapura_supervisor.errors import SupervisionError


@click.command()
def ps() -> None:
    """Show what `gapura up` runs, and where."""
    from gapura_supervisor.report import describe
    from gapura_supervisor.settings import SupervisorSettings

    place = SupervisorSettings().place
    state = place.read_live()
    if state is None:
        raise click.ClickException(f"nothing runs here ({place.folder}): `gapura up` starts it")
    click.echo(describe(state))


@click.command()
def reload() -> None:
    """Replace the workers one by one, without a failed call.

    The new ones are fresh processes: they run the version of Gapura that is installed by now. The first that does not
    become ready ends the reload; it is taken away, and the workers that are there go on.
    """
    from gapura_supervisor.control import give_order
    from gapura_supervisor.settings import SupervisorSettings

    try:
        give_order(SupervisorSettings().place.control, "reload", click.echo)
    except (SupervisionError, OSError) as error:
        raise click.ClickException(str(error)) from error
