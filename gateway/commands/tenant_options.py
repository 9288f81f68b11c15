"""Options that say what a tenant may do."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from gateway.types import PRIORITIES

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Span(click.ParamType[timedelta]):
    """A time such as 30m, 24h or 90d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Reads it."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,5})([smhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is no time: write a number and s, m, h or d, such as 24h", param, ctx)
        return timedelta(**{UNITS[found[2]]: int(found[1])})


class Subject(click.ParamType[dict[str, str]]):
    """An issuer, a blank, and a subject."""

    name = "issuer subject"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Reads them."""
        issuer, blank, subject = str(value).partition(" ")
        if not (issuer and blank and subject):
            self.fail(f"{value!r}: write the issuer, a blank, and the subject, in quotes", param, ctx)
        return {"issuer": issuer, "subject": subject}


span = Span()

OPTIONS = (
    click.option("--models", multiple=True, help="Models it may call, such as 'team3_*'; repeatable."),
    click.option(
        "--services", multiple=True, help="Services or methods it may call, such as 'erpml.finance.*'; all by default."
    ),
    click.option("--pins/--no-pins", default=None, help="Whether it may pin a version of a model; by default it may."),
    click.option("--rest/--no-rest", default=None, help="Whether it may call over REST; by default it may."),
    click.option(
        "--operator/--no-operator",
        default=None,
        help="Whether it may also load and unload its models, and change settings of the servers.",
    ),
    click.option("--priority", type=click.Choice(list(PRIORITIES)), help="Whose calls go first where calls wait."),
    click.option("--calls-per-second", type=float, help="Calls it may make, over time, all gateways together."),
    click.option("--rows-per-second", type=float, help="Rows they may have."),
    click.option("--burst-seconds", type=float, help="Calls and rows of how many seconds it may send at once; 0.5."),
    click.option("--concurrency", type=int, help="Calls it may have under way."),
    click.option("--max-message-bytes", type=int, help="Largest request."),
    click.option("--max-batch-rows", type=int, help="Most rows of one call."),
    click.option(
        "--feature-views",
        multiple=True,
        help="Feature views it may read; by default those of teams whose models it may call; repeatable.",
    ),
    click.option("--feature-pushes", multiple=True, help="Those it may push rows to; none by default; repeatable."),
)


def policy_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options to a command, each named as the field of the policy that it sets."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
