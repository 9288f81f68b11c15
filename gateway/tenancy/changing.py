"""Changes the tenants file: the text of tenants that stay as they were is not touched, comments included."""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent

import yaml

from gateway.errors import ConfigurationError
from gateway.tenancy.file import TenantsFile, lay_out
from gateway.tenancy.policies import TenantPolicy, Tenants

LIST = "tenants:\n"


@contextmanager
def changing_tenants(path: Path) -> Iterator[dict[str, TenantPolicy]]:
    """Yields the tenants by name, to be changed, and replaces the file in one step; others who change it wait.

    Raises:
        ConfigurationError: The file is not valid, or would not be, or cannot be written. It stays as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = TenantsFile(path)
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            before = file.parse(text)
            known = {tenant.name: tenant for tenant in before.tenants}
            yield known
            changed = rewrite(text, before, known)
            file.parse(changed)
            replace_file(path, changed)
    except OSError as error:
        raise ConfigurationError(f"cannot write {error.filename or path}: {error.strerror}") from error


def write_tenants(path: Path, content: Tenants) -> None:
    """Writes a whole file in one step; only its owner may read it."""
    replace_file(path, dump(content))


def rewrite(text: str, before: Tenants, known: Mapping[str, TenantPolicy]) -> str:
    """Returns the text of a file in which other tenants are to stand.

    Args:
        text: As it is.
        before: What it says.
        known: The tenants that it is to have.
    """
    new = "".join(dump_tenant(tenant) for name, tenant in known.items() if name not in names_of(before))
    layout = lay_out(text)
    if layout is None:
        is_free = not before.tenants and "tenants" not in text and not text.lstrip().startswith("{")
        if is_free:
            return ended(text) + LIST + new
        return dump(Tenants(issuers=before.issuers, tenants=tuple(known.values())))
    kept = list[str]()
    for item, tenant in zip(layout.items, before.tenants, strict=True):
        now = known.get(tenant.name)
        if now is not None:
            kept.append(ended(item) if now is tenant else indent(dump_tenant(now), layout.indent))
    return "".join((layout.before, *kept, indent(new, layout.indent), layout.after))


def names_of(tenants: Tenants) -> set[str]:
    """Returns the names of the tenants of a file."""
    return {tenant.name for tenant in tenants.tenants}


def ended(text: str) -> str:
    """Returns text that ends its last line."""
    return text if not text or text.endswith("\n") else f"{text}\n"


def dump(content: Tenants) -> str:
    """Writes a whole file."""
    issuers = [issuer.model_dump(mode="json", exclude_defaults=True) for issuer in content.issuers]
    head = yaml.safe_dump({"issuers": issuers}, sort_keys=False) if issuers else ""
    return head + LIST + "".join(map(dump_tenant, content.tenants))


def dump_tenant(tenant: TenantPolicy) -> str:
    """Writes a tenant as an item of the list: what is not as usual."""
    return str(yaml.safe_dump([tenant.model_dump(mode="json", exclude_defaults=True)], sort_keys=False))


def replace_file(path: Path, text: str) -> None:
    """Replaces a file in one step; only its owner may read it."""
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(scratch).replace(path.resolve())
