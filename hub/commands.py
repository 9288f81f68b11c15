"""The hub's commands: `gapura train`, `publish`, `rollback`, `status` and `up`.

Everything heavy is imported when a command runs, so that `gapura --help` answers at once.
"""

import click
from gapura_deployment.options import FEATURE_STORE, OPERATIONS, PUBLISHER, VALKEY, Choice, deployment_options

from hub.explaining import explained

_INTERRUPTED = 130  # as a shell says it


@click.command()
@click.argument("name")
@click.option("--fast", is_flag=True, help="Train on fewer rows or for fewer rounds: seconds, at a cost in quality.")
@explained("train")
def train(name: str, *, fast: bool) -> None:
    """Train the models NAME and make them champions: `all`, a team such as team3, or one such as team3/credit_scoring.

    Of several, those after one that fails are trained as well; then the command ends with status 1.
    """
    try:
        if not _train(name, fast=fast):
            raise click.exceptions.Exit(1)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        raise click.exceptions.Exit(_INTERRUPTED) from None


def _train(name: str, *, fast: bool) -> bool:
    from hub.training.pipelines import choose_models, find_pipeline

    modules = choose_models(name)  # a wrong name is answered before the slow imports

    from hub.settings import read_settings
    from hub.training.run import train_and_register, train_models

    if name not in modules:
        return train_models(modules, read_settings(), click.echo, fast=fast)
    train_and_register(find_pipeline(name), read_settings(), click.echo, fast=fast)
    return True


@click.command()
@click.option("--watch", is_flag=True, help="Go on: what the registry says is live a moment later.")
@click.option("--override", metavar="REASON", help="Publish in a freeze window all the same, and why.")
@explained("hub")
def publish(*, watch: bool, override: str | None) -> None:
    """Convert, prove and put live every version that an alias points at and that is not served yet."""
    from rich.console import Console

    from hub.progress_bars import Bars, choose_progress
    from hub.settings import read_settings

    settings, console = read_settings(), Console()
    progress, say = choose_progress(console), Bars(console).say
    if watch:
        if override:
            raise click.UsageError("--override is for one publication: leave --watch out, or `gapura promote` with it")
        from hub.watch.watching import watch as follow

        try:
            follow(settings, say, progress)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_INTERRUPTED) from None
        return

    from hub.publication import publish_all

    if not publish_all(settings, say, override=override, progress=progress):
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, for the history.")
@click.option("--by", help="Who decides it; by default the user of this process.")
@explained("hub")
def rollback(name: str, *, reason: str, by: str | None) -> None:
    """Make the version of NAME live again that answered before; it is still loaded."""
    from hub.rollback import roll_back
    from hub.settings import read_settings

    if not roll_back(read_settings(), name, click.echo, by=by, reason=reason):
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@explained("hub")
def status(names: tuple[str, ...], *, as_json: bool) -> None:
    """Show of every model, or of NAMES: aliases, versions, nodes, parity, since when and by whom."""
    from rich.console import Console

    from hub.settings import read_settings
    from hub.status.survey import survey_from
    from hub.status.table import show, to_json

    found = survey_from(read_settings(), names)
    if as_json:
        click.echo(to_json(found))
    else:
        show(found, Console())


@click.command()
@deployment_options
@click.option(
    "--without",
    type=click.Choice([VALKEY, FEATURE_STORE, OPERATIONS, PUBLISHER]),
    multiple=True,
    help="Run no Valkey, which is not run anyway where GAPURA_FEATURES_URL or GAPURA_REDIS_URL names a Redis, no "
    "service of the feature store, no operations page, or no hub that publishes what the registry says; repeatable.",
)
@click.option(
    "--only",
    metavar="TEAM",
    multiple=True,
    help="Train, publish and call the models of this team, such as team3; repeatable.  [default: of all]",
)
@click.option("--once", is_flag=True, help="Stop after the calls instead of serving on.")
@explained("train")
def up(*, choice: Choice, without: tuple[str, ...], only: tuple[str, ...], once: bool) -> None:
    """Train and publish what is missing, start a gateway, make calls for every team, and serve on.

    `gapura start` takes the same options and serves what is published, without any of the rest.
    """
    from hub.quickstart.models import TEAMS, models_of

    unknown = set(only) - set(TEAMS)
    if unknown:
        raise click.UsageError(f"no model here is of {', '.join(sorted(unknown))}; known: {', '.join(TEAMS)}")

    from hub.quickstart.tour import take_tour
    from hub.settings import read_settings

    settings = read_settings()
    own = {FEATURE_STORE, OPERATIONS, PUBLISHER}
    extras = own if settings.features_url or settings.redis_url else {VALKEY, *own}
    try:
        take_tour(settings, choice.beside(*sorted(extras - set(without))), models_of(only), once=once)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        raise click.exceptions.Exit(_INTERRUPTED) from None
