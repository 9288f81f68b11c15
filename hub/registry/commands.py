"""`gapura promote` and `gapura demote`: people move aliases, and say why."""

import click

from hub.explaining import explained

_LARGEST = 2**31 - 1  # number that MLflow's databases hold

_reason = click.option("--reason", default="", metavar="TEXT", help="Why, for the history.")
_by = click.option("--by", metavar="NAME", help="Who decides it; by default the user of this process.")


@click.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(1, _LARGEST))
@click.option(
    "--alias",
    default="champion",
    show_default=True,
    help="Alias that is moved: champion, challenger, shadow, challenger-NAME or shadow-NAME.",
)
@click.option("--weight", type=float, metavar="PERCENT", help="Share of the traffic for it, in steps of 0.01.")
@click.option("--override", metavar="TEXT", help="Promote in a freeze window all the same, and why.")
@_reason
@_by
@explained("hub")
def promote(  # noqa: PLR0913 - an argument per option
    name: str, version: int, *, alias: str, weight: float | None, override: str | None, reason: str, by: str | None
) -> None:
    """Point an alias of the model NAME, such as team3/credit_scoring, at VERSION: `gapura publish` puts it live."""
    from hub.registry.aliases import require_alias
    from hub.registry.names import registered_name, split_name

    registered, (team, model) = registered_name(name), split_name(name)  # said before the slow imports
    require_alias(alias)

    from hub.freeze import require_thawed
    from hub.registry import ModelRegistry
    from hub.settings import read_settings

    settings = read_settings()
    if not override:
        require_thawed(settings.freeze, registered)
    deployed = ModelRegistry(settings.registry_uri).deploy_model(
        team, model, version, alias=alias, weight=weight, by=by, reason=reason, override=override
    )
    share = "" if weight is None else f", weight {weight:g} %"
    click.echo(f"{deployed.name}: {alias} is version {deployed.number}{share}; `gapura publish` puts it live")


@click.command()
@click.argument("name")
@click.option("--alias", required=True, help="Alias that is taken away.")
@_reason
@_by
@explained("hub")
def demote(name: str, *, alias: str, reason: str, by: str | None) -> None:
    """Take an alias and its weight away from the model NAME; `gapura publish` withdraws what only it pointed at."""
    from hub.registry.aliases import require_alias
    from hub.registry.names import registered_name, split_name

    registered, (team, model) = registered_name(name), split_name(name)
    require_alias(alias)

    from hub.registry import ModelRegistry
    from hub.settings import read_settings

    ModelRegistry(read_settings().registry_uri).remove_alias(team, model, alias, by=by, reason=reason)
    click.echo(f"{registered}: no version is {alias} any more; `gapura publish` makes it so")
