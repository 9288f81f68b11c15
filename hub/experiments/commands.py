"""`gapura experiments`: people divide the calls of a model among its arms, and say why."""

import click

from hub.explaining import explained

_needed_arms = click.option(
    "--arm", "arms", multiple=True, required=True, metavar="ARM=PERCENT", help="Share of an arm; repeatable."
)
_reason = click.option("--reason", required=True, metavar="TEXT", help="Why, for the history.")
_by = click.option("--by", metavar="NAME", help="Who decides it; by default the user of this process.")
_override = click.option("--override", metavar="TEXT", help="Do it in a freeze window all the same, and why.")


@click.group()
def experiments() -> None:
    """Experiments: which arm of a model answers whom, and how much."""


@experiments.command()
@click.argument("model")
@click.argument("name")
@_needed_arms
@click.option("--seed", metavar="TEXT", help="What units are hashed with.  [default: MODEL.NAME]")
@click.option("--tenant", "tenants", multiple=True, help="Take calls of this tenant alone; repeatable.")
@click.option("--where", multiple=True, metavar="FIELD=VALUE,...", help="Take calls with such a field; repeatable.")
@click.option("--group", help="Keep units of other experiments of this group out.")
@click.option("--share", type=float, metavar="PERCENT", help="How much of the group it gets.")
@click.option("--max-error-rate", type=float, help="Most by which more calls may fail than of the champion.  [0.01]")
@click.option("--max-latency-ratio", type=float, help="Most times that it may take as long as the champion.  [1.5]")
@click.option("--max-score-shift", type=float, help="Most by which distributions of scores may differ.  [0.1]")
@click.option("--window", type=int, metavar="SECONDS", help="Time that guardrails look at.  [30]")
@click.option("--least-calls", type=int, help="Calls of the arm from which on it is judged.  [50]")
@click.option("--no-guardrails", is_flag=True, help="Let no arm lose its share by itself.")
@_reason
@_by
@explained("hub")
def create(  # noqa: PLR0913 - an argument per option
    model: str,
    name: str,
    *,
    arms: tuple[str, ...],
    seed: str | None,
    tenants: tuple[str, ...],
    where: tuple[str, ...],
    group: str | None,
    share: float | None,
    max_error_rate: float | None,
    max_latency_ratio: float | None,
    max_score_shift: float | None,
    window: int | None,
    least_calls: int | None,
    no_guardrails: bool,
    reason: str,
    by: str | None,
) -> None:
    """Prepare the experiment NAME of MODEL, such as team3/credit_scoring; `start` lets it divide calls."""
    from hub.experiments.arguments import parse_arms, parse_conditions
    from hub.registry.names import registered_name

    registered, weights, conditions = registered_name(model), parse_arms(arms), parse_conditions(where)
    _require_own(name)
    if (group is None) != (share is None):
        raise click.UsageError("--group and --share go together")
    limits = {
        "error_rate": max_error_rate,
        "latency_ratio": max_latency_ratio,
        "score_shift": max_score_shift,
        "window_seconds": window,
        "least_calls": least_calls,
    }
    given = {key: value for key, value in limits.items() if value is not None}
    if no_guardrails and given:
        raise click.UsageError("--no-guardrails goes with no limit of a guardrail")

    from hub.experiments.desk import Desk, Request

    request = Request(weights, seed, tenants, conditions, group, share, None if no_guardrails else given)
    Desk.open(registered, name, by=by, reason=reason).create(request, click.echo)


@experiments.command()
@click.argument("model")
@click.argument("name")
@_override
@_reason
@_by
@explained("hub")
def start(model: str, name: str, *, override: str | None, reason: str, by: str | None) -> None:
    """Let the experiment NAME of MODEL divide calls, for the first time or again."""
    registered = _registered(model, name)

    from hub.experiments.desk import Desk

    _end(Desk.open(registered, name, by=by, reason=reason, override=override).start(click.echo))


@experiments.command()
@click.argument("model")
@click.argument("name")
@_needed_arms
@_override
@_reason
@_by
@explained("hub")
def ramp(  # noqa: PLR0913 - an argument per option
    model: str, name: str, *, arms: tuple[str, ...], override: str | None, reason: str, by: str | None
) -> None:
    """Give arms of the experiment NAME of MODEL other shares; `default` divides all calls that no other takes."""
    from hub.experiments.arguments import parse_arms

    registered, weights = _registered(model, name), parse_arms(arms)

    from hub.experiments.desk import Desk

    _end(Desk.open(registered, name, by=by, reason=reason, override=override).ramp(weights, click.echo))


@experiments.command()
@click.argument("model")
@click.argument("name")
@_reason
@_by
@explained("hub")
def pause(model: str, name: str, *, reason: str, by: str | None) -> None:
    """Let the champion answer what the experiment NAME of MODEL takes; it keeps its buckets."""
    registered = _registered(model, name)

    from hub.experiments.desk import Desk

    _end(Desk.open(registered, name, by=by, reason=reason).pause(click.echo))


@experiments.command()
@click.argument("model")
@click.argument("name")
@_reason
@_by
@explained("hub")
def stop(model: str, name: str, *, reason: str, by: str | None) -> None:
    """Remove the experiment NAME of MODEL; the history keeps what it was."""
    registered = _registered(model, name)
    _require_own(name)

    from hub.experiments.desk import Desk

    _end(Desk.open(registered, name, by=by, reason=reason).stop(click.echo))


@experiments.command("list")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@explained("hub")
def list_(model: str | None, *, as_json: bool) -> None:
    """Show experiments of all models, or of MODEL: arms, shares, whom they take, who decided it and why."""
    from hub.registry.names import registered_name

    registered = registered_name(model) if model is not None else None

    from hub.catalog import read_catalog
    from hub.experiments.listing import describe, list_experiments, to_json
    from hub.registry import ModelRegistry
    from hub.settings import read_settings

    settings = read_settings()
    models = ModelRegistry(settings.registry_uri).models()
    found = list_experiments(models, read_catalog(settings.catalog), registered)
    if as_json:
        click.echo(to_json(found))
    else:
        click.echo("\n".join(line for each in found for line in describe(each)) or "there are no experiments")


def _registered(model: str, name: str) -> str:
    """Returns the registered name, and makes sure that the experiment's name is one, before the slow imports."""
    from hub.experiments.tags import require_name
    from hub.registry.names import registered_name

    require_name(name)
    return registered_name(model)


def _require_own(name: str) -> None:
    from hub.errors import HubError
    from hub.experiments.tags import DEFAULT, require_name

    require_name(name)
    if name == DEFAULT:
        raise HubError(f"{DEFAULT} is what the weights of aliases make: `gapura experiments ramp` changes them")


def _end(live: bool) -> None:  # noqa: FBT001 - its only argument
    if not live:
        raise click.exceptions.Exit(1)
