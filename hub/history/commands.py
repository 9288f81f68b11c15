"""`gapura history`: what changed of a model, and what was live when."""

import click

from hub.explaining import explained


@click.command()
@click.argument("name")
@click.option("--at", "moment", metavar="TIME", help="What was live then; local time unless TIME names a zone.")
@click.option("--verify", is_flag=True, help="Check that no entry was altered or taken away.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@explained("hub")
def history(name: str, moment: str | None, *, verify: bool, as_json: bool) -> None:
    """Show what changed of the model NAME, such as team3/credit_scoring: when, by whom and why; newest last."""
    from rich.console import Console

    from hub.errors import HubError
    from hub.history.moments import parse_moment
    from hub.history.report import describe_state, print_changes, to_json
    from hub.registry.names import registered_name

    registered = registered_name(name)  # what is wrong with the arguments is said before the slow imports
    then = parse_moment(moment) if moment is not None else None

    from hub.registry import ModelRegistry
    from hub.settings import read_settings

    found = ModelRegistry(read_settings().registry_uri).history
    faults = found.verify(registered)
    if verify and faults:
        raise HubError(f"the history of {registered} was altered: {'; '.join(faults)}")
    changes = found.of(registered)
    if not changes:
        raise HubError(f"no change of {registered} was ever recorded: check the name")
    for fault in faults:
        click.echo(f"warning: {fault}", err=True)
    if verify:
        click.echo(f"the history of {registered} is whole: {len(changes)} entries")
    elif then:
        state = found.at(registered, then)
        click.echo(to_json(state) if as_json else "\n".join(describe_state(state)))
    elif as_json:
        click.echo(to_json(changes))
    else:
        print_changes(Console(), changes)
