"""The tenants file: each tenant's hashed keys and the models that it may call."""

import fcntl
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    model_validator,
)

from gateway.errors import ConfigurationError
from gateway.tenancy.keys import HashedKey
from gateway.types import PRIORITIES, Priority


def read_priority(value: object) -> Priority:
    """Takes the name of a priority class.

    Raises:
        ValueError: There is no such class.
    """
    if isinstance(value, Priority):
        return value
    if not isinstance(value, str) or value not in PRIORITIES:
        raise ValueError(f"there is no priority {value!r}; choose {', '.join(PRIORITIES)}")
    return PRIORITIES[value]


Hex = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2})+$")]
PriorityName = Annotated[
    Priority, BeforeValidator(read_priority), PlainSerializer(lambda priority: priority.name.lower(), return_type=str)
]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
CertificateName = Annotated[str, StringConstraints(pattern=r"^\S(.{0,253}\S)?$")]


class Strict(BaseModel):
    """A part of the file: immutable, and nothing in it that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyEntry(Strict):
    """What is kept of an API key, in hexadecimal."""

    id: Hex
    salt: Hex
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

    @classmethod
    def of(cls, key: HashedKey) -> "KeyEntry":
        """Writes a key down."""
        return cls(id=key.key_id, salt=key.salt.hex(), sha256=key.sha256.hex())

    def hashed(self) -> HashedKey:
        """Reads the key."""
        return HashedKey(self.id, bytes.fromhex(self.salt), bytes.fromhex(self.sha256))


class TenantPolicy(Strict):
    """One tenant.

    Attributes:
        name: Unique name.
        models: Globs over registered model names, such as `team3_*`.
        operator: Whether it may load and unload those models too, and change settings of the servers.
        priority: `high`, `normal` or `low`: who goes first where calls wait.
        keys: Keys that are live; two while one replaces the other.
        certificates: Names of its certificates: a URI, a DNS name, or `CN=` and the common name.
    """

    name: Name
    models: tuple[str, ...]
    operator: bool = False
    priority: PriorityName = Priority.NORMAL
    keys: tuple[KeyEntry, ...] = ()
    certificates: tuple[CertificateName, ...] = ()


class TenantsFile(Strict):
    """The whole file."""

    tenants: tuple[TenantPolicy, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> "TenantsFile":
        names = [tenant.name for tenant in self.tenants]
        ids = [key.id for tenant in self.tenants for key in tenant.keys]
        certificates = [name for tenant in self.tenants for name in tenant.certificates]
        repeated = next(
            (value for values in (names, ids, certificates) for value, times in Counter(values).items() if times > 1),
            None,
        )
        if repeated is not None:
            raise ValueError(f"'{repeated}' stands twice")
        return self


def read_tenants(path: Path) -> TenantsFile:
    """Reads the file.

    Raises:
        ConfigurationError: The file is missing or not valid; the message names the place.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigurationError(f"cannot read {path}: {one_line(error)}") from error
    try:
        return TenantsFile.model_validate({} if content is None else content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(f"{path}: {place}: {first['msg']}") from error


@contextmanager
def changing_tenants(path: Path) -> Iterator[dict[str, TenantPolicy]]:
    """Yields the tenants by name, to be changed, and replaces the file in one step; others who change it wait.

    Raises:
        ConfigurationError: The file is not valid, or cannot be written. It stays as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = {tenant.name: tenant for tenant in read_tenants(path).tenants} if path.exists() else {}
            yield known
            write_tenants(path, TenantsFile(tenants=tuple(known.values())))
    except OSError as error:
        raise ConfigurationError(f"cannot write {error.filename or path}: {error.strerror}") from error


def write_tenants(path: Path, content: TenantsFile) -> None:
    """Replaces the file in one step; only its owner may read it."""
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(content.model_dump(mode="json"), file, sort_keys=False)
        file.flush()
        os.fsync(file.fileno())
    Path(scratch).replace(path.resolve())


def one_line(error: Exception) -> str:
    """Returns an error's text without line breaks."""
    return re.sub(r"\s+", " ", str(error))
