"""What is written of a tenant: how it proves who it is, what it may call, and how much."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

from gateway.tenancy.issuers import TokenIssuer
from gateway.tenancy.keys import HashedKey
from gateway.tenancy.quotas.limits import Limits
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


def read_list(value: object) -> object:
    """Takes a list; an entry without one, `tenants:` say, has none."""
    return () if value is None else value


Hex = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2})+$")]
PriorityName = Annotated[
    Priority, BeforeValidator(read_priority), PlainSerializer(lambda priority: priority.name.lower(), return_type=str)
]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
CertificateName = Annotated[str, StringConstraints(pattern=r"^\S(.{0,253}\S)?$")]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]


class Strict(BaseModel):
    """A part of the file: immutable, and nothing in it that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyEntry(Strict):
    """What is kept of an API key, in hexadecimal.

    Attributes:
        id: Finds the key; it is a part of it.
        salt: Goes before the secret.
        sha256: Digest of both.
        created_at: When it was made.
        expires_at: From when on it is not taken any more.
        revoked_at: When it was revoked; it is not taken any more.
    """

    id: Hex
    salt: Hex
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    created_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None

    @classmethod
    def of(cls, key: HashedKey, created_at: datetime | None = None, expires_at: datetime | None = None) -> "KeyEntry":
        """Writes a key down."""
        return cls(
            id=key.key_id,
            salt=key.salt.hex(),
            sha256=key.sha256.hex(),
            created_at=created_at,
            expires_at=expires_at,
        )

    def hashed(self) -> HashedKey:
        """Reads the key."""
        return HashedKey(self.id, bytes.fromhex(self.salt), bytes.fromhex(self.sha256))

    def is_live(self, now: datetime) -> bool:
        """Says whether the key is taken at a time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class TokenSubject(Strict):
    """Whose bearer tokens are the tenant's.

    Attributes:
        issuer: Who signs them; it stands in the file's `issuers`.
        subject: What its claim says, exactly.
    """

    issuer: str
    subject: Annotated[str, StringConstraints(min_length=1)]


class TenantPolicy(Strict):
    """One tenant.

    Attributes:
        name: Unique name.
        models: Globs over registered model names, such as `team3_*`.
        services: Globs over services, such as `erpml.finance.*`, or methods, `erpml.finance.v1.CreditService/Score*`.
            Health and reflection, which show a tenant only its own, are for all.
        pins: Whether it may pin a version of a model.
        rest: Whether it may call over REST.
        operator: Whether it may load and unload those models too, and change settings of the servers.
        priority: `high`, `normal` or `low`: who goes first where calls wait.
        calls_per_second: Calls that it may make, over time, all gateways together.
        rows_per_second: Rows that they may have.
        burst_seconds: Calls and rows of how many seconds it may send at once.
        concurrency: Calls that it may have under way at once.
        max_message_bytes: Largest request.
        max_batch_rows: Most rows of one call.
        feature_views: Globs over the feature views that its calls may look up, and that it may read itself. Without
            them its calls look up whatever their models need, and it may read itself the views of teams whose models
            it may call: `customer_credit` of team3, say, if `team3_customer_credit` were such a model.
        feature_pushes: Globs over those that it may push rows to; models of all callers see them.
        keys: What is kept of its API keys; two are live while one replaces the other.
        certificates: Names of its certificates: a URI, a DNS name, or `CN=` and the common name.
        tokens: Whose bearer tokens are its own.
    """

    name: Name
    models: tuple[str, ...]
    services: tuple[str, ...] = ("*",)
    pins: bool = True
    rest: bool = True
    operator: bool = False
    priority: PriorityName = Priority.NORMAL
    calls_per_second: Rate | None = None
    rows_per_second: Rate | None = None
    burst_seconds: Rate = 0.5
    concurrency: Count | None = None
    max_message_bytes: Count | None = None
    max_batch_rows: Count | None = None
    feature_views: tuple[str, ...] | None = None
    feature_pushes: tuple[str, ...] = ()
    keys: tuple[KeyEntry, ...] = ()
    certificates: tuple[CertificateName, ...] = ()
    tokens: tuple[TokenSubject, ...] = ()

    def limits(self) -> Limits:
        """Returns what it may use over time."""
        return Limits(self.calls_per_second, self.rows_per_second, self.burst_seconds, self.concurrency)


class Tenants(Strict):
    """The whole file.

    Attributes:
        issuers: Who signs bearer tokens.
        tenants: Who may call.
    """

    issuers: Annotated[tuple[TokenIssuer, ...], BeforeValidator(read_list)] = ()
    tenants: Annotated[tuple[TenantPolicy, ...], BeforeValidator(read_list)] = ()


def inconsistency(issuers: Iterable[TokenIssuer], tenants: Iterable[TenantPolicy]) -> str | None:
    """Says what of a file does not go together, or nothing."""
    tenants = tuple(tenants)
    known = [issuer.issuer for issuer in issuers]
    tokens = [token for tenant in tenants for token in tenant.tokens]
    for values in (
        known,
        (tenant.name for tenant in tenants),
        (key.id for tenant in tenants for key in tenant.keys),
        (name for tenant in tenants for name in tenant.certificates),
    ):
        for value, times in Counter(values).items():
            if times > 1:
                return f"'{value}' stands twice"
    for token, times in Counter(tokens).items():
        if times > 1:
            return f"the subject '{token.subject}' of '{token.issuer}' stands twice"
        if token.issuer not in known:
            return f"tokens: the issuer '{token.issuer}' does not stand in `issuers`"
    return None
