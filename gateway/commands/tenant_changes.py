"""`gapura tenants add|rotate|revoke`: changes who may call, what and how much."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.tenant_options import Subject, policy_options, span
from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from gateway.tenancy.policies import TenantPolicy

MOST_LIVE_KEYS = 2

key_file_option = click.option(
    "--key-file", type=click.Path(path_type=Path), help="Write the key here instead of printing it."
)
expiry_option = click.option("--expires-in", type=span, help="Time after which the key is not taken, such as 90d.")


@click.command()
@click.argument("name")
@policy_options
@key_file_option
@expiry_option
@click.option(
    "--certificate",
    "certificates",
    multiple=True,
    help="Name of its TLS certificate, known behind the protected edge or with GAPURA_TLS_CLIENT_CA: a URI, a DNS name "
    "or CN=name; repeatable.",
)
@click.option(
    "--token",
    "tokens",
    type=Subject(),
    multiple=True,
    help="Whose bearer tokens are its own: an issuer of the file's `issuers`, a blank and the subject; repeatable.",
)
@click.option("--no-key", is_flag=True, help="Make no key: the tenant is known by its certificate or token.")
def add(  # noqa: PLR0913 - an option each
    name: str,
    key_file: Path | None,
    expires_in: timedelta | None,
    certificates: tuple[str, ...],
    tokens: tuple[dict[str, str], ...],
    *,
    no_key: bool,
    **policy: Any,
) -> None:
    """Add tenant NAME, or change it.

    The key is shown once: only its salted hash is kept. A tenant that exists gets one more key, certificates and tokens
    beside its others, the models and rights given here, and keeps other limits than those given here.
    """
    given = {field: value for field, value in policy.items() if value is not None and value != ()}
    with changing(name) as known:
        before = known.get(name)
        content: dict[str, Any] = before.model_dump() if before else {"name": name}
        content |= given
        content["certificates"] = [*dict.fromkeys((*content.get("certificates", ()), *certificates))]
        content["tokens"] = [
            *content.get("tokens", ()),
            *(token for token in tokens if token not in content.get("tokens", ())),
        ]
        known[name] = valid(content)
        if not no_key:
            known[name] = with_new_key(known[name], expires_in, key_file)


@click.command()
@click.argument("name")
@click.option(
    "--overlap",
    type=span,
    default="24h",
    show_default=True,
    help="For how long the key before is still taken, such as 30m or 7d; 0s ends it now.",
)
@key_file_option
@expiry_option
def rotate(name: str, overlap: timedelta, key_file: Path | None, expires_in: timedelta | None) -> None:
    """Give tenant NAME a new key; the one before is taken for a while yet."""
    now = datetime.now(UTC)
    with changing(name) as known:
        tenant = present(known, name)
        keys = tuple(
            key.model_copy(update={"expires_at": min(key.expires_at or now + overlap, now + overlap)})
            if key.is_live(now)
            else key
            for key in tenant.keys
        )
        known[name] = with_new_key(tenant.model_copy(update={"keys": keys}), expires_in, key_file)


@click.command()
@click.argument("name")
@click.option("--key", "ids", multiple=True, help="Id of a key, as `gapura tenants list` shows it; repeatable.")
@click.option("--all", "everything", is_flag=True, help="All of its keys, certificates and tokens.")
def revoke(name: str, ids: tuple[str, ...], *, everything: bool) -> None:
    """Take keys from tenant NAME: from the next call on they are not taken any more."""
    if bool(ids) == everything:
        raise click.UsageError("name keys by --key, or all that the tenant has by --all")
    now = datetime.now(UTC)
    with changing(name) as known:
        tenant = present(known, name)
        unknown = set(ids) - {key.id for key in tenant.keys}
        if unknown:
            raise click.BadParameter(
                f"tenant '{name}' has no key {', '.join(sorted(unknown))}; see `gapura tenants list`"
            )
        keys = tuple(
            key.model_copy(update={"revoked_at": now})
            if key.revoked_at is None and (everything or key.id in ids)
            else key
            for key in tenant.keys
        )
        rest = {"certificates": (), "tokens": ()} if everything else {}
        known[name] = tenant.model_copy(update={"keys": keys, **rest})
    click.echo(f"revoked {'everything' if everything else ' '.join(ids)} of {name}")


def with_new_key(tenant: "TenantPolicy", expires_in: timedelta | None, key_file: Path | None) -> "TenantPolicy":
    """Returns a tenant that has one more key, which was handed over."""
    from gateway.tenancy.keys import new_key
    from gateway.tenancy.policies import KeyEntry

    now = datetime.now(UTC).replace(microsecond=0)
    live = [key.id for key in tenant.keys if key.is_live(now)]
    lasting = [key.id for key in tenant.keys if key.is_live(now) and key.expires_at is None]
    if len(live) >= MOST_LIVE_KEYS:
        told = f"tenant '{tenant.name}' has {len(live)} live keys, {' and '.join(live)}"
        raise click.ClickException(f"{told}: revoke one of them first" if lasting else f"{told}: wait, or revoke one")
    key, hashed = new_key()
    entry = KeyEntry.of(hashed, now, None if expires_in is None else now + expires_in)
    hand_over(key, key_file)
    return tenant.model_copy(update={"keys": (*tenant.keys, entry)})


def present(known: dict[str, "TenantPolicy"], name: str) -> "TenantPolicy":
    """Returns a tenant that is there."""
    if name not in known:
        raise click.BadParameter(f"there is no tenant {name!r}; see `gapura tenants list`")
    return known[name]


@contextmanager
def changing(name: str) -> Iterator[dict[str, "TenantPolicy"]]:
    """Yields the tenants, to be changed; what is wrong with the file is told."""
    from pydantic import ValidationError

    from gateway.settings import read_settings
    from gateway.tenancy.changing import changing_tenants

    try:
        with changing_tenants(read_settings().tenants) as known:
            yield known
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error
    except ValidationError as error:
        raise click.BadParameter(fault_of(error, name)) from error


def valid(content: dict[str, Any]) -> "TenantPolicy":
    """Returns the policy of these fields."""
    from gateway.tenancy.policies import TenantPolicy

    return TenantPolicy.model_validate(content)


def fault_of(error: "ValidationError", name: str) -> str:
    """Says which argument is not valid, and what it should be."""
    first = error.errors(include_input=False, include_url=False)[0]
    if "certificates" in first["loc"]:
        return "a certificate has a name of 1 to 255 characters, and no other tenant has the same"
    if "name" in first["loc"]:
        return f"{name!r} is not a tenant name: use a-z, 0-9, - and _"
    if first["loc"] == ("models",):
        return "say by --models which models it may call, such as 'team3_*'"
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


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
