"""`gapura tenants`: who may call."""

import os
from pathlib import Path

import click

from gateway.errors import ConfigurationError


@click.group()
def tenants() -> None:
    """Add and list tenants."""


@tenants.command()
@click.argument("name")
@click.option(
    "--models", "globs", multiple=True, required=True, help="Models it may call, such as 'team3_*'; repeatable."
)
@click.option(
    "--operator", is_flag=True, help="It may also load and unload its models, and change settings of the servers."
)
@click.option("--key-file", type=click.Path(path_type=Path), help="Write the key here instead of printing it.")
def add(name: str, globs: tuple[str, ...], key_file: Path | None, *, operator: bool) -> None:
    """Add tenant NAME, or give it one more key.

    The key is shown once: only its salted hash is kept. A tenant that exists gets the new key beside its others, and
    the models and rights given here.
    """
    from pydantic import ValidationError

    from gateway.settings import read_settings
    from gateway.tenancy.keys import new_key
    from gateway.tenancy.policies import KeyEntry, TenantPolicy, changing_tenants

    key, hashed = new_key()
    try:
        with changing_tenants(read_settings().tenants) as known:
            keys = known[name].keys if name in known else ()
            known[name] = TenantPolicy(name=name, models=globs, operator=operator, keys=(*keys, KeyEntry.of(hashed)))
            hand_over(key, key_file)
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error
    except ValidationError as error:
        raise click.BadParameter(f"{name!r} is not a tenant name: use a-z, 0-9, - and _") from error


@tenants.command("list")
def show() -> None:
    """List tenants, the models that they may call, and the ids of their keys."""
    from gateway.settings import read_settings
    from gateway.tenancy.policies import read_tenants

    try:
        known = read_tenants(read_settings().tenants).tenants
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error
    for tenant in known:
        rights = "  operator" if tenant.operator else ""
        keys = " ".join(key.id for key in tenant.keys)
        click.echo(f"{tenant.name}  models {' '.join(tenant.models)}  keys {keys}{rights}")


def hand_over(key: str, key_file: Path | None) -> None:
    """Prints a key, or writes it to a file that only its owner may read."""
    if key_file is None:
        click.echo(key)
        return
    key_file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)  # a file that was there keeps its mode
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{key}\n")
    click.echo(f"key written to {key_file}")
