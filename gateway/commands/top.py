"""`gapura top`: the live view in a terminal."""

from typing import TYPE_CHECKING

import click

from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, RenderableType

EVERY_SECONDS = 1.0
WINDOW_SECONDS = 5.0
PIPED_COLUMNS = 200


@click.command()
@click.option("--once", is_flag=True, help="Print what happens within a second, and end.")
def top(*, once: bool) -> None:
    """Watch the traffic of this machine: models and arms, nodes, processes. Ctrl-C ends it.

    It reads the files that processes write (GAPURA_TELEMETRY), so it costs calls nothing. Figures are those of the last
    five seconds. Where the output is no terminal it prints once.
    """
    from contextlib import suppress

    from rich.console import Console

    from gateway.logs import configure_logs
    from gateway.settings import read_settings

    configure_logs("error")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_COLUMNS
    try:
        folder = read_settings().telemetry
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error
    with suppress(KeyboardInterrupt):
        watch(console, folder, once=once or not console.is_terminal)


def watch(console: "Console", folder: "Path", *, once: bool) -> None:
    """Prints what happens within a second, or shows it until it is interrupted."""
    from time import sleep

    from rich.live import Live

    from gateway.operations.history import History
    from gateway.operations.states import read_states
    from gateway.operations.terminal import draw
    from gateway.telemetry.reading import SheetReader

    sheets, history = SheetReader(folder), History()

    def view() -> "RenderableType":
        """Looks once more."""
        history.add(sheets.take())
        window = history.window(WINDOW_SECONDS)
        return draw(window, read_states(folder), plain=not console.is_terminal) if window else ""

    view()
    sleep(EVERY_SECONDS)
    if once:
        console.print(view())
        return
    with Live(view(), console=console, screen=True, auto_refresh=False) as live:
        while True:
            sleep(EVERY_SECONDS)
            live.update(view(), refresh=True)
