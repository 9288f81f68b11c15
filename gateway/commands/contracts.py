"""`gapura contracts`: whether typed methods and models fit."""

import json
from pathlib import Path

import click

from gateway.errors import CatalogError


@click.group()
def contracts() -> None:
    """Look at the typed methods that models answer."""


@contracts.command()
@click.option(
    "--catalog",
    "path",
    type=click.Path(path_type=Path),
    default="var/catalog/catalog.binpb",
    show_default=True,
    envvar="GAPURA_CATALOG",
    show_envvar=True,
    help="Catalog to check; it need not be live.",
)
@click.option(
    "--contracts",
    "folder",
    type=click.Path(path_type=Path),
    default="var/catalog/contracts",
    show_default=True,
    envvar="GAPURA_CONTRACTS",
    show_envvar=True,
    help="Folder of descriptor sets beside the built-in ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
def check(*, path: Path, folder: Path, as_json: bool) -> None:
    """Check typed methods against a catalog, without loading a model.

    Says of every method and version whether a gateway would serve it, and why not. The exit status is 1 if a version
    that an arm names would not be served, and 2 if there is nothing to check.
    """
    from gateway.catalog.file import read_file
    from gateway.catalog.snapshot import Snapshot, read_snapshot
    from gateway.commands.contract_check import check as check_all
    from gateway.commands.contract_check import lines_of, report_of
    from gateway.contracts.descriptors import link, read_sets

    faults = dict[str, str]()
    try:
        snapshot = read_snapshot(read_file(path), Snapshot())
    except CatalogError as error:
        raise click.UsageError(error.message) from error
    linked = link(read_sets(folder, faults))
    faults |= {**linked.faults, **snapshot.faults}
    verdicts = check_all(snapshot, linked)
    report = report_of(snapshot, verdicts, faults)
    click.echo(json.dumps(report, indent=2) if as_json else "\n".join(lines_of(verdicts, faults)))
    if not report["ok"]:
        raise click.exceptions.Exit(1)
