"""`gapura tenants`: who may call."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.errors import ConfigurationError
from gateway.types import PRIORITIES

if TYPE_CHECKING:
    from pydantic import ValidationError


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
@click.option(
    "--priority",
    type=click.Choice(list(PRIORITIES)),
    default="normal",
    show_default=True,
    help="Whose calls go first where calls wait.",
)
@click.option("--key-file", type=click.Path(path_type=Path), help="Write the key here instead of printing it.")
@click.option(
    "--certificate",
    "certificates",
    multiple=True,
    help="Name of its TLS certificate, known behind the protected edge: a URI, a DNS name or CN=name; repeatable.",
)
@click.option("--no-key", is_flag=True, help="Make no key: the tenant is known by its certificate.")
def add(  # noqa: PLR0913 - an option each
    name: str,
    globs: tuple[str, ...],
    priority: str,
    key_file: Path | None,
    certificates: tuple[str, ...],
    *,
    operator: bool,
    no_key: bool,
) -> None:
    """Add tenant NAME, or give it one more key.

    The key is shown once: only its salted hash is kept. A tenant that exists gets the new key and the certificates
    beside its others, and the models and rights given here.
    """
    from pydantic import ValidationError

    from gateway.settings import read_settings
    from gateway.tenancy.keys import new_key
    from gateway.tenancy.policies import KeyEntry, TenantPolicy, changing_tenants

    key, hashed = new_key()
    try:
        with changing_tenants(read_settings().tenants) as known:
            before = known.get(name)
            keys = before.keys if before else ()
            known[name] = TenantPolicy(
                name=name,
                models=globs,
                operator=operator,
                priority=PRIORITIES[priority],
                keys=keys if no_key else (*keys, KeyEntry.of(hashed)),
                certificates=tuple(dict.fromkeys((*(before.certificates if before else ()), *certificates))),
            )
            if not no_key:
                hand_over(key, key_file)
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error
    except ValidationError as error:
        raise click.BadParameter(fault_of(error, name)) from error


@tenants.command("list")
def show() -> None:
    """List tenants: the models that they may call, the ids of their keys, and their priority."""
    from gateway.settings import read_settings
    from gateway.tenancy.policies import read_tenants

    try:
        known = read_tenants(read_settings().tenants).tenants
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error
    for tenant in known:
        rights = "  operator" if tenant.operator else ""
        rights += f"  priority {tenant.priority.name.lower()}"
        rights += "".join(f"  certificate {name}" for name in tenant.certificates)
        keys = " ".join(key.id for key in tenant.keys)
        click.echo(f"{tenant.name}  models {' '.join(tenant.models)}  keys {keys}{rights}")


def fault_of(error: "ValidationError", name: str) -> str:
    """Says which argument is not valid, and what it should be."""
    place = error.errors(include_input=False, include_url=False)[0]["loc"]
    if "certificates" in place:
        return "a certificate has a name of 1 to 255 characters, and no other tenant has the same"
    return f"{name!r} is not a tenant name: use a-z, 0-9, - and _"


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
