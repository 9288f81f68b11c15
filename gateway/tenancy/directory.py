"""Admits calls: finds the tenant of a call's credentials, and says what it may call now."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from time import monotonic, perf_counter
from typing import Any

from gateway.calls import Call
from gateway.errors import PermissionDenied, Unauthenticated
from gateway.interfaces import Tenant
from gateway.tenancy.certificates import names_of
from gateway.tenancy.globs import Names
from gateway.tenancy.key_sets import KeySets
from gateway.tenancy.keys import PREFIX, HashedKey, new_key, parse_key
from gateway.tenancy.policies import KeyEntry, Tenants
from gateway.tenancy.quotas.accounts import Accounts
from gateway.tenancy.tenant import Book, KnownTenant
from gateway.tenancy.tokens import TokenVerifier

# Tenants that are described at once; most of ten thousand do nothing.
MOST_DESCRIBED = 500

HOW_TO_SEND = "send the tenant's key in the metadata `x-api-key`"
BEARER = "bearer "
KEY_PREFIX = f"{PREFIX}_"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key of a tenant.

    Attributes:
        hashed: What is kept of it.
        tenant: Whose it is.
        expires: From when on it is not taken, in seconds since 1970.
        revoked: Whether it was revoked.
    """

    hashed: HashedKey
    tenant: KnownTenant
    expires: float
    revoked: bool


class Directory:
    """The tenants of one reading of the tenants file.

    Args:
        tenants: By name.
        keys: Their API keys, by the keys' ids.
        certificates: By the names of their certificates; none where nobody trustworthy tells of them.
        tokens: By the issuer and the subject of their bearer tokens.
        verifier: Looks at bearer tokens; None where there are no issuers.
        clock: Tells seconds since 1970.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what tells who calls
        self,
        tenants: Mapping[str, KnownTenant],
        keys: Mapping[str, KnownKey],
        certificates: Mapping[str, KnownTenant],
        tokens: Mapping[tuple[str, str], KnownTenant],
        verifier: TokenVerifier | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.tenants = tenants
        self.keys = keys
        # Keys that are not known are compared with one of these, so that they take as long as known ones, however far
        # from the processor what is kept of those may be.
        self._decoys = tuple(known.hashed for known in keys.values()) or (new_key()[1],)
        self._certificates = certificates
        self._tokens = tokens
        self._verifier = verifier
        self._clock = clock
        # By text, once they have matched: no more than there are keys. Those that last lead to their tenants at once.
        self._proven: dict[str, KnownKey] = {}
        self._lasting: dict[str | None, KnownTenant] = {}

    def admit(self, call: Call, *, again: bool = False) -> KnownTenant:
        """Lets a call in: tells whose it is, and counts it among those under way; its tenant's context ends it.

        Args:
            call: The call.
            again: Whether it was admitted before, and only goes on another way.

        Raises:
            Unauthenticated: The call's credentials are missing or not valid.
            PermissionDenied: Its tenant may not call the method, or not in this way.
            TooLarge: It sends more than the tenant may.
            Overloaded: The tenant makes more calls than it may.
        """
        tenant = None if call.authorization or call.certificate else self._lasting.get(call.api_key)
        if tenant is None:
            tenant = self.identify(call)
        call.trace.tenant = tenant.name
        if call.path not in tenant.paths or call.rest or len(call.message) > tenant.most_bytes:
            tenant.check(call)
        if again:
            tenant.account.active += 1
        else:
            tenant.account.enter(monotonic())
        call.trace.admitted = perf_counter()
        return tenant

    def describe(self) -> list[Mapping[str, Any]]:
        """Says what tenants use now, ready for JSON: those with calls under way, then others, up to a number."""
        now = monotonic()
        busy = sorted(self.tenants.values(), key=lambda tenant: -tenant.account.active)[:MOST_DESCRIBED]
        return [
            {"name": each.name, "priority": each.priority.name.lower(), **each.account.describe(now)} for each in busy
        ]

    def identify(self, call: Call) -> KnownTenant:
        """Tells who calls: the tenant of the caller's certificate, its key and its bearer token, whichever it shows.

        Raises:
            Unauthenticated: The call has no credentials, or one that is not valid, or those of several tenants.
        """
        key = call.api_key
        token = bearer_of(call.authorization) if call.authorization else None
        if token and token.startswith(KEY_PREFIX) and not key:
            key, token = token, None
        if token and key and self._verifier is None:
            token = None  # somebody else's
        certified = self._tenant_of(call.certificate) if call.certificate and self._certificates else None
        if key and not token and certified is None:
            return self._tenant_with(key)
        shown = [] if certified is None else [certified]
        if key:
            shown.append(self._tenant_with(key))
        if token:
            shown.append(self._tenant_by(token))
        if not shown:
            raise Unauthenticated("API_KEY_MISSING", f"the call carries no API key; {HOW_TO_SEND}")
        if any(tenant is not shown[0] for tenant in shown):
            reason, what = ("API_KEY_INVALID", "API key") if key else ("TOKEN_INVALID", "token")
            whose = "certificate" if certified else "token"
            raise Unauthenticated(reason, f"the {what} is not that of the {whose}'s tenant; send one of them")
        return shown[0]

    def caller_of(self, key: str | None, certificate: str | None, authorization: str | None) -> str:
        """Names whose call it seems to be, quickly; an empty string for callers that are not known."""
        if key:
            known = self._proven.get(key) or self._match(key)
            return known.tenant.name if known else ""
        return certificate or authorization or ""

    def authorise(self, tenant: Tenant, model: str, version: str = "") -> None:
        """Lets the call pass to the model.

        Raises:
            PermissionDenied: The tenant's policy does not name the model, whether or not there is one, or the tenant
                may not pin the version.
        """
        if not tenant.may_call(model):
            raise PermissionDenied(
                "MODEL_NOT_ALLOWED",
                f"tenant '{tenant.name}' may not call '{model}'; ask for it to be added to the tenant's models",
                tenant=tenant.name,
                model=model,
            )
        if version and not tenant.may_pin:
            told = f"tenant '{tenant.name}' may not pin a version; leave it out, or ask for it to be allowed"
            raise PermissionDenied("PIN_NOT_ALLOWED", told, tenant=tenant.name)

    def _tenant_with(self, api_key: str) -> KnownTenant:
        """Returns the tenant of a key.

        Raises:
            Unauthenticated: The key is not known, or not taken any more.
        """
        known = self._proven.get(api_key) or self._match(api_key)
        if known is None:
            raise Unauthenticated("API_KEY_INVALID", f"the API key is not known; {HOW_TO_SEND}")
        if known.revoked:
            raise outdated("REVOKED", known, "has been revoked")
        if known.expires <= self._clock():
            raise outdated("EXPIRED", known, "has expired")
        return known.tenant

    def _match(self, api_key: str) -> KnownKey | None:
        """Returns the key that a text is."""
        key_id, secret = parse_key(api_key)
        known = self.keys.get(key_id)
        matches = (known.hashed if known else self._decoys[hash(key_id) % len(self._decoys)]).matches(secret)
        if known is None or not matches:
            return None
        self._proven[api_key] = known
        if known.expires == inf and not known.revoked:
            self._lasting[api_key] = known.tenant
        return known

    def _tenant_by(self, token: str) -> KnownTenant:
        """Returns the tenant of a bearer token.

        Raises:
            Unauthenticated: The token is not valid, or nobody's.
        """
        if self._verifier is None:
            raise Unauthenticated("TOKEN_INVALID", f"no bearer tokens are taken here; {HOW_TO_SEND}")
        proven = self._verifier.verify(token, self._clock())
        tenant = self._tokens.get((proven.issuer, proven.subject))
        if tenant is None:
            told = "the token is valid, and its subject is no tenant; ask for it to be added to a tenant's tokens"
            raise Unauthenticated("TOKEN_INVALID", told)
        return tenant

    def _tenant_of(self, certificate: str) -> KnownTenant | None:
        """Returns the tenant that one of a certificate's names belongs to."""
        return next((self._certificates[name] for name in names_of(certificate) if name in self._certificates), None)


def bearer_of(authorization: str) -> str | None:
    """Returns the token of `Bearer` and a token; None for other kinds of authorization."""
    return authorization[len(BEARER) :].strip() if authorization[: len(BEARER)].lower() == BEARER else None


def outdated(state: str, key: KnownKey, told: str) -> Unauthenticated:
    """The error of a key that was right, and is not taken any more."""
    message = f"the API key {key.hashed.key_id} of tenant '{key.tenant.name}' {told}; use a newer one"
    return Unauthenticated(f"API_KEY_{state}", message, tenant=key.tenant.name)


def known_key(entry: KeyEntry, tenant: KnownTenant) -> KnownKey:
    """Reads a key of a tenant."""
    expires = inf if entry.expires_at is None else entry.expires_at.timestamp()
    return KnownKey(entry.hashed(), tenant, expires, entry.revoked_at is not None)


def open_directory(  # noqa: PLR0913 - what a directory is made of
    read: Tenants,
    *,
    certified: bool = False,
    accounts: Accounts | None = None,
    book: Book | None = None,
    key_sets: KeySets | None = None,
    previous: Directory | None = None,
) -> Directory:
    """Makes a reading of the tenants file ready to be asked.

    Args:
        read: What the file says.
        certified: Whether somebody trustworthy tells of the certificate of every call's caller.
        accounts: What tenants use over time; they outlive the directory.
        book: Where what they have used is written down.
        key_sets: The keys of issuers; they outlive the directory. No tokens are taken without them.
        previous: The directory that it replaces: what has not changed is taken from it.
    """
    accounts, before = accounts or Accounts(), previous.tenants if previous else {}
    names = Names()
    tenants = dict[str, KnownTenant]()
    keys = dict[str, KnownKey]()
    for policy in read.tenants:
        tenant = before.get(policy.name)
        if tenant is None or tenant.policy is not policy:
            tenant = KnownTenant(policy, accounts.of(policy.name, policy.limits()), book, names)
        tenants[policy.name] = tenant
        for entry in policy.keys:
            known = previous.keys.get(entry.id) if previous else None
            keys[entry.id] = known if known and known.tenant is tenant else known_key(entry, tenant)
    every = tenants.values()
    certificates = {name: tenant for tenant in every for name in tenant.policy.certificates} if certified else {}
    tokens = {(token.issuer, token.subject): tenant for tenant in every for token in tenant.policy.tokens}
    verifier = TokenVerifier(read.issuers, key_sets) if read.issuers and key_sets else None
    return Directory(tenants, keys, certificates, tokens, verifier)
