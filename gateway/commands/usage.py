"""`gapura usage`: what tenants, teams and models have used."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import click

from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.usage.reading import Charge

DIMENSIONS = ("day", "tenant", "team", "model")
FORMATS = ("table", "csv", "json")


def read_month(_: click.Context, __: click.Parameter, told: str | None) -> date | None:
    """Reads a month; returns its first day."""
    return read_date(told, "-01", "YYYY-MM")


def read_day(_: click.Context, __: click.Parameter, told: str | None) -> date | None:
    """Reads a day."""
    return read_date(told, "", "YYYY-MM-DD")


def read_date(told: str | None, rest: str, form: str) -> date | None:
    """Reads a date that is written in one form alone; None if there is none.

    Raises:
        BadParameter: It is no such date.
    """
    if told is None:
        return None
    try:
        found = date.fromisoformat(told + rest)
    except ValueError:
        found = None
    if found is None or str(found) != told + rest:
        raise click.BadParameter(f"{told!r} is no date of the form {form}")
    return found


@click.command()
@click.option(
    "--month", metavar="YYYY-MM", callback=read_month, help="All days of a month; the current one by default."
)
@click.option("--day", metavar="YYYY-MM-DD", callback=read_day, help="One day alone.")
@click.option(
    "--by",
    "dimensions",
    type=click.Choice(DIMENSIONS),
    multiple=True,
    help="A line for each of these alone; repeatable. All of them by default.",
)
@click.option("--tenant", metavar="NAME", help="Of one tenant alone.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--complete", is_flag=True, help="Fail where Redis, which has the usage of other machines, cannot tell.")
def usage(  # noqa: PLR0913 - an option each
    month: date | None,
    day: date | None,
    dimensions: tuple[str, ...],
    tenant: str | None,
    form: str,
    *,
    complete: bool,
) -> None:
    """Show what was used: calls, rows, time of backends and feature hits, by day, tenant, team and model.

    It reads the files of this machine and, where GAPURA_REDIS_URL is set, what other machines copied to Redis up to
    five seconds ago. Days are those of UTC. The team of a model is its name up to the first underscore.
    """
    from gateway.logs import configure_logs
    from gateway.settings import read_settings
    from gateway.usage.chargeback import FORMATS as WRITERS
    from gateway.usage.chargeback import make_bill, merge

    first, last = days_of(month, day)
    configure_logs("warning")
    try:
        charges = merge(read_charges(read_settings(), first, last, complete=complete))
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error
    wanted = [charge for charge in charges if tenant in (None, charge.tenant)]
    ways = [dimension for dimension in DIMENSIONS if dimension in (dimensions or DIMENSIONS)]
    click.echo(WRITERS[form](make_bill(wanted, first, last, ways)), nl=False)


def read_charges(settings: "Settings", first: date, last: date, *, complete: bool) -> "list[Charge]":
    """Returns what this machine and the others have counted; some of it twice.

    Raises:
        ConfigurationError: The folder cannot be read, or Redis cannot tell and should.
    """
    import asyncio

    from gateway.usage.copies import read_copies
    from gateway.usage.reading import UsageFolder

    url = settings.redis
    if complete and not url:
        raise ConfigurationError("GAPURA_REDIS_URL is not set: the usage of other machines is not known")
    copies: list[Charge] = []
    try:
        copies = asyncio.run(read_copies(url, first, last)) if url else []
    except ConfigurationError as error:
        if complete:
            raise
        click.echo(f"Only the usage of this machine: {error.message}", err=True)
    try:
        return [*copies, *UsageFolder(settings.usage).charges(first, last)]
    except OSError as error:
        raise ConfigurationError(f"GAPURA_USAGE: cannot read {settings.usage}: {error.strerror or error}") from error


def days_of(month: date | None, day: date | None) -> tuple[date, date]:
    """Returns the first and last day that are asked for.

    Raises:
        UsageError: Both a month and a day are.
    """
    from datetime import UTC, datetime

    if month is not None and day is not None:
        raise click.UsageError("choose --month or --day")
    if day is not None:
        return day, day
    first = (month or datetime.now(UTC).date()).replace(day=1)
    return first, last_of(first)


def last_of(first: date) -> date:
    """Returns the last day of a month."""
    return (first.replace(day=28) + timedelta(4)).replace(day=1) - timedelta(1)
