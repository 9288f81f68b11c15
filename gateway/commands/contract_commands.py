"""The commands that compiled contracts make: one per service that scores one thing, else a group of its methods."""

import re
from collections import Counter
from pathlib import Path

import click

from gateway.commands.contract_methods import Service, read_services
from gateway.commands.method_command import command_for
from gateway.errors import ContractError


def contract_commands(extra: Path | None) -> dict[str, click.Command]:
    """Reads our contracts, and those of an additional descriptor set; returns their commands by name.

    A command is `credit` after CreditService, `finance-credit` where teams share the name.

    Raises:
        click.BadParameter: The additional file is not a descriptor set, or lacks a file that it imports.
    """
    known = [service for service in _services(extra) if service.methods]
    uses = Counter(_short_name(service) for service in known)
    names = (_short_name(service) if uses[_short_name(service)] == 1 else _team_name(service) for service in known)
    return {name: _command(name, service) for name, service in zip(names, known, strict=True)}


def method_command(extra: Path | None, service: str, method: str) -> click.Command | None:
    """Returns the command of a method that is named with its service; None where there is none.

    Args:
        extra: An additional descriptor set.
        service: `CreditService`, with its package or without, or the name of its command.
        method: `ScoreCredit` or `score-credit`.

    Raises:
        click.BadParameter: As above.
    """
    for known in _services(extra):
        full = known.full_name
        if service in {full, full.rpartition(".")[2], _short_name(known), _team_name(known)}:
            for each in known.methods:
                if method in {each.name, _kebab(each.name)}:
                    return command_for(each, f"{service} {method}", _help(known.comment, each.comment))
    return None


def _services(extra: Path | None) -> tuple[Service, ...]:
    try:
        return read_services(None if extra is None else extra.read_bytes())
    except ContractError as error:
        raise click.BadParameter(f"not a complete descriptor set: {error}", param_hint="--contracts") from error


def _command(name: str, service: Service) -> click.Command:
    """Returns one command for a service that scores one thing, else a group with a command per method."""
    scoring = [method for method in service.methods if method.scores_one]
    if len(scoring) == 1:
        return command_for(scoring[0], name, _help(service.comment, scoring[0].comment))
    commands = {_kebab(method.name): method for method in service.methods}
    return click.Group(
        name,
        commands={key: command_for(method, key, method.comment) for key, method in commands.items()},
        help=service.comment,
    )


def _help(*paragraphs: str) -> str:
    return "\n\n".join(filter(None, paragraphs))


def _short_name(service: Service) -> str:
    return _kebab(service.full_name.rpartition(".")[2].removesuffix("Service"))


def _team_name(service: Service) -> str:
    """Puts the team first, which is the package's segment before the version."""
    team = service.full_name.split(".")[-3:-2]
    return _kebab("-".join((*team, _short_name(service))))


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", "-", name).lower()
