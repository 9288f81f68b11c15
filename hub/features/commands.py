"""`gapura features`: declares feature views, fills them, looks at them, and makes training sets of them."""

from pathlib import Path

import click

from hub.explaining import explained

_PATH = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def features() -> None:
    """Stored features: declare views, fill them, look at them, make training sets of them."""


@features.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--replace", is_flag=True, help="Change columns although rows of the old ones are live.")
@explained("hub")
def apply(files: tuple[Path, ...], *, replace: bool) -> None:
    """Check the views that FILES declare against typed methods and models, and put them into the catalog."""
    from hub.features.workbench import open_application
    from hub.settings import read_settings

    application = open_application(read_settings())
    for line in application.apply(files, replace=replace):
        click.echo(line)
    if application.catalog.fault:
        click.echo(f"{application.catalog.fault}; gateways that watch the file are not concerned")


@features.command()
@click.argument("view")
@click.option("--source", metavar="FILE", help="Parquet to read in place of the declared source; a pattern too.")
@explained("hub")
def materialize(view: str, *, source: str | None) -> None:
    """Make all rows of VIEW anew from its source, and let them take the place of those that are live.

    Stopped at any point, it leaves what is live alone, and goes on where it stopped when it is run again.
    """
    from hub.features.running import materialize_and_tell
    from hub.features.workbench import declared
    from hub.settings import read_settings

    settings = read_settings()
    materialize_and_tell(settings, declared(settings, view), source)


@features.command("import-feast")
@click.argument("view")
@click.option("--url", required=True, help="Feast's Redis; `${NAME}` in it is filled in from the environment.")
@click.option("--project", required=True, help="Feast's project.")
@click.option("--feast-view", required=True, help="Name of the view in Feast.")
@click.option("--join-key", help="Join key that is the entity, where Feast's view has several.")
@explained("hub")
def import_feast(view: str, *, url: str, project: str, feast_view: str, join_key: str | None) -> None:
    """Materialise VIEW from what Feast has stored in Redis."""
    from hub.features.declaration import FeastSource, Source
    from hub.features.running import materialize_and_tell
    from hub.features.workbench import declared
    from hub.settings import read_settings

    settings = read_settings()
    source = Source(feast=FeastSource(url=url, project=project, view=feast_view), entity=join_key)
    materialize_and_tell(settings, declared(settings, view).model_copy(update={"source": source}))


@features.command()
@click.argument("view")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False))
@explained("hub")
def push(view: str, file: Path) -> None:
    """Write the rows of FILE, JSON lines or Parquet, or of the standard input (-), over older ones of VIEW.

    A row has `entity`, `event_time` unless it is now, and a value for every column.
    """
    from gapura_features import Schema

    from hub.features.pushing import RowReader, read_lines, read_parquet
    from hub.features.pushing import push as push_rows
    from hub.features.workbench import live_view, open_store
    from hub.settings import read_settings

    settings = read_settings()
    reader, store = RowReader(Schema.read(live_view(settings, view))), open_store(settings, view)
    with click.open_file(str(file), encoding="utf-8", errors="replace") as lines:
        rows = read_parquet(file) if file.suffix == ".parquet" else read_lines(lines)
        counts = push_rows(store, reader, rows, lambda words: click.echo(words, err=True))
    refused = f", {counts.refused:,} refused" if counts.refused else ""
    click.echo(f"{view}: {counts.written:,} written, {counts.outdated:,} outdated{refused}")
    if counts.refused:
        raise click.exceptions.Exit(1)


@features.command()
@click.argument("view")
@click.argument("ids", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@explained("hub")
def get(view: str, ids: tuple[str, ...], *, as_json: bool) -> None:
    """Show what a call that looked the entities IDS of VIEW up now would get."""
    import json
    import time
    from dataclasses import asdict

    from rich.console import Console

    from hub.features import terminal
    from hub.features.looking import look_up
    from hub.features.workbench import live_view, open_store
    from hub.settings import read_settings

    settings = read_settings()
    found = look_up(open_store(settings, view), live_view(settings, view), ids, time.time_ns() // 1_000_000)
    if not as_json:
        terminal.show_found(found, Console())
        return
    listed = [
        asdict(each) | {"values": {name: terminal.as_json(value) for name, value in each.values.items()}}
        for each in found
    ]
    click.echo(json.dumps(listed, indent=2))


@features.command()
@click.argument("views", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@explained("hub")
def status(views: tuple[str, ...], *, as_json: bool) -> None:
    """Show of every view, or of VIEWS: what is declared, and what of it is live."""
    import json
    import time
    from dataclasses import asdict

    from rich.console import Console

    from hub.errors import HubError
    from hub.features import terminal
    from hub.features.connection import connect, features_url
    from hub.features.status import survey
    from hub.live_catalog import open_catalog
    from hub.settings import read_settings

    settings, fault, client = read_settings(), "", None
    try:
        client = connect(features_url(settings))
    except HubError as error:
        fault = str(error)
    found, unanswered = survey(open_catalog(settings).read(), client, views, time.time_ns() // 1_000_000)
    if as_json:
        click.echo(json.dumps({"views": [asdict(each) for each in found], "fault": fault or unanswered}, indent=2))
        return
    terminal.show_status(found, Console())
    if fault or unanswered:
        click.echo(f"what is stored is not known: {fault or unanswered}")


@features.command("training-set")
@click.option("--labels", required=True, type=_FILE, help="Parquet or CSV with ids of entities and a time.")
@click.option("--features", "chosen", required=True, multiple=True, metavar="VIEW[:COLUMN,...]", help="What to join.")
@click.option("--entity", "entities", multiple=True, metavar="KIND=COLUMN", help="Column of ids; KIND_id by default.")
@click.option("--event-time", default="event_time", show_default=True, help="Column of the time of a label.")
@click.option("--output", required=True, type=_PATH, help="Parquet to write.")
@explained("hub")
def training_set(
    *, labels: Path, chosen: tuple[str, ...], entities: tuple[str, ...], event_time: str, output: Path
) -> None:
    """Join labels with the features that a call at their time would have used, and never with later ones."""
    from hub.features.training_sets import write_training_set
    from hub.features.workbench import wanted
    from hub.settings import read_settings

    pairs = [entity.partition("=") for entity in entities]
    if not all(kind and column for kind, _, column in pairs):
        raise click.UsageError("--entity: write KIND=COLUMN, as in merchant=merchant_id")
    settings, columns = read_settings(), {kind: column for kind, _, column in pairs}
    rows = write_training_set(labels, [wanted(settings, each, columns) for each in chosen], output, event_time)
    click.echo(f"{output}: {rows:,} rows")
