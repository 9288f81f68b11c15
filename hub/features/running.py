"""Runs a materialisation from settings, and says in one line what came of it."""

import click
from rich.console import Console

from hub.features.declaration import Declaration
from hub.features.materializing import Materialization
from hub.features.terminal import bar
from hub.features.workbench import open_store
from hub.settings import HubSettings

_INTERRUPTED = 130  # as a shell says it


def materialize_and_tell(settings: HubSettings, declaration: Declaration, override: str | None = None) -> None:
    """Materialises a view.

    Args:
        settings: Where everything is.
        declaration: Declares the view and its source.
        override: Files to read in place of the declared source.

    Raises:
        HubError: Nothing has become live; the message says why.
        Exit: Somebody stopped it.
    """
    view = declaration.view
    try:
        with bar(Console(), view) as progress:
            store = open_store(settings, view)
            result = Materialization(store, declaration, settings.features, progress, override=override).run()
    except KeyboardInterrupt:
        click.echo(f"stopped: what is live of {view} is as it was; the same command goes on", err=True)
        raise click.exceptions.Exit(_INTERRUPTED) from None
    rate = (result.entities - result.resumed) / result.seconds
    resumed = f", {result.resumed:,} of them by an earlier run" if result.resumed else ""
    took = f"{result.entities:,} entities in {result.seconds:.1f} s ({rate:,.0f}/s)"
    click.echo(f"{view} data {result.data} live: {took}{resumed}")
