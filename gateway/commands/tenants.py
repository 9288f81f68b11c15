"""`gapura tenants`: who may call, what and how much."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from gateway.commands.tenant_changes import add, revoke, rotate
from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants

SOON = timedelta(days=14)


@click.group()
def tenants() -> None:
    """Say who may call, what and how much."""


for command in (add, rotate, revoke):
    tenants.add_command(command)


@tenants.command("list")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def show(form: str) -> None:
    """List tenants: what they may call, their limits, and the ids of their keys."""
    known = read().tenants
    if form == "json":
        secret = {"keys": {"__all__": {"salt", "sha256"}}}
        click.echo(json.dumps([tenant.model_dump(mode="json", exclude=secret) for tenant in known], indent=2))
        return
    now = datetime.now(UTC)
    for tenant in known:
        click.echo("  ".join((tenant.name, *described(tenant, now))))


@tenants.command()
@click.argument("name", required=False)
@click.option("--model", help="Says whether tenant NAME may call this model.")
@click.option(
    "--method", help="Says whether it may call this method, such as erpml.finance.v1.CreditService/ScoreCredit."
)
def check(name: str | None, model: str | None, method: str | None) -> None:
    """Check the tenants file; or whether tenant NAME may call a model or a method.

    It exits with 1 where the file is not valid, the keys of an issuer cannot be read, or the answer is no.
    """
    content = read()
    if bool(name) != bool(model or method):
        raise click.UsageError("give NAME and --model or --method, or none of them")
    if name:
        check_rights(content, name, model, method)
        return
    faults = list(unread_issuers(content))
    for told in (*faults, *remarks(content, datetime.now(UTC))):
        click.echo(told)
    live = sum(key.is_live(datetime.now(UTC)) for tenant in content.tenants for key in tenant.keys)
    click.echo(f"{len(content.tenants)} tenants, {live} live keys, {len(content.issuers)} issuers")
    if faults:
        raise SystemExit(1)


def check_rights(content: "Tenants", name: str, model: str | None, method: str | None) -> None:
    """Says whether a tenant may call a model or a method."""
    from gateway.tenancy.directory import open_directory

    tenant = open_directory(content).tenants.get(name)
    if tenant is None:
        raise click.BadParameter(f"there is no tenant {name!r}; see `gapura tenants list`")
    answers = []
    if model:
        answers.append((model, tenant.may_call(model)))
    if method:
        answers.append((method, tenant.may_use("/" + method.removeprefix("/"))))
    for what, may in answers:
        click.echo(f"{name} {'may' if may else 'may not'} call {what}")
    if not all(may for _, may in answers):
        raise SystemExit(1)


def read() -> "Tenants":
    """Reads the tenants file."""
    from gateway.settings import read_settings
    from gateway.tenancy.file import TenantsFile

    try:
        return TenantsFile(read_settings().tenants).read()
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error


def unread_issuers(content: "Tenants") -> Iterator[str]:
    """Says of which issuers the keys cannot be read."""
    from gateway.tenancy.jwks import fetch, parse

    for issuer in content.issuers:
        try:
            parse(fetch(issuer.jwks))
        except ConfigurationError as error:
            yield f"issuer {issuer.issuer}: {error.message}"


def remarks(content: "Tenants", now: datetime) -> Iterator[str]:
    """Says what of the file may not be what was meant."""
    for tenant in content.tenants:
        live = [key for key in tenant.keys if key.is_live(now)]
        if not (live or tenant.certificates or tenant.tokens):
            yield f"{tenant.name}: it cannot call, since it has no live key, certificate or token"
        if not tenant.models:
            yield f"{tenant.name}: it may call no model"
        for key in live:
            if key.expires_at is not None and key.expires_at < now + SOON:
                yield f"{tenant.name}: key {key.id} expires at {moment(key.expires_at)}; `gapura tenants rotate`"


def described(tenant: "TenantPolicy", now: datetime) -> Iterator[str]:
    """Says what a tenant may do, and by what it is known."""
    yield f"models {' '.join(tenant.models)}"
    if tenant.services != ("*",):
        yield f"services {' '.join(tenant.services)}"
    yield f"keys {' '.join(state_of(key, now) for key in tenant.keys)}"
    if tenant.operator:
        yield "operator"
    yield f"priority {tenant.priority.name.lower()}"
    for field in ("calls_per_second", "rows_per_second", "concurrency", "max_message_bytes", "max_batch_rows"):
        if (limit := getattr(tenant, field)) is not None:
            yield f"{field.replace('_', ' ')} {limit:g}"
    for told, is_so in (("no pins", not tenant.pins), ("no REST", not tenant.rest)):
        if is_so:
            yield told
    yield from (f"certificate {name}" for name in tenant.certificates)
    yield from (f"token {token.issuer} {token.subject}" for token in tenant.tokens)


def state_of(key: "KeyEntry", now: datetime) -> str:
    """Names a key, and says if it is not taken for ever."""
    if key.revoked_at is not None:
        return f"{key.id} (revoked {moment(key.revoked_at)})"
    if key.expires_at is not None:
        return f"{key.id} ({'expires' if key.is_live(now) else 'expired'} {moment(key.expires_at)})"
    return key.id


def moment(time: datetime) -> str:
    """Writes a time."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
