"""Admits calls: finds the tenant of an API key and says which models it may call."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate

from gateway.errors import PermissionDenied, Unauthenticated
from gateway.interfaces import Tenant
from gateway.tenancy.certificates import names_of
from gateway.tenancy.keys import HashedKey, new_key, parse_key
from gateway.tenancy.policies import TenantPolicy
from gateway.types import Call, Priority

HOW_TO_SEND = "send the tenant's key in the metadata `x-api-key`"


@dataclass(frozen=True, slots=True)
class KnownTenant:
    """A tenant, ready to be asked."""

    name: str
    models: re.Pattern[str]
    operator: bool
    priority: Priority

    def may_call(self, model: str) -> bool:
        """Says whether the tenant's policy names the model."""
        return self.models.match(model) is not None


@dataclass(frozen=True, slots=True)
class Directory:
    """The tenants of one reading of the tenants file.

    Attributes:
        keys: Key and tenant by the key's id.
        nobody: Compared with keys that are not known, so that they take as long as known ones.
        certificates: Tenants by the names of their certificates; none where nobody trustworthy tells of them.
        proven: Tenants by the text of keys that have matched: each is hashed once. There are at most as many as keys.
    """

    keys: Mapping[str, tuple[HashedKey, KnownTenant]]
    nobody: HashedKey
    certificates: Mapping[str, KnownTenant] = field(default_factory=dict)
    proven: dict[str, KnownTenant] = field(default_factory=dict)

    def admit(self, call: Call) -> Tenant:
        """Tells who calls: the tenant of the caller's certificate, or else of its key.

        Raises:
            Unauthenticated: The call has no key, or one that is not known, or that of another than its certificate.
        """
        if call.certificate and self.certificates:
            tenant = self._tenant_of(call.certificate)
            if tenant is not None:
                if call.api_key and self._tenant_with(call.api_key) is not tenant:
                    raise Unauthenticated(
                        "API_KEY_INVALID", "the API key is not that of the certificate's tenant; send one of them"
                    )
                return tenant
        if not call.api_key:
            raise Unauthenticated("API_KEY_MISSING", f"the call carries no API key; {HOW_TO_SEND}")
        known = self._tenant_with(call.api_key)
        if known is None:
            raise Unauthenticated("API_KEY_INVALID", f"the API key is not known; {HOW_TO_SEND}")
        return known

    def _tenant_with(self, api_key: str) -> KnownTenant | None:
        """Returns the tenant of a key."""
        proven = self.proven.get(api_key)
        if proven is not None:
            return proven
        key_id, secret = parse_key(api_key)
        key, tenant = self.keys.get(key_id, (self.nobody, None))
        if not key.matches(secret) or tenant is None:
            return None
        self.proven[api_key] = tenant
        return tenant

    def _tenant_of(self, certificate: str) -> KnownTenant | None:
        """Returns the tenant that one of a certificate's names belongs to."""
        return next((self.certificates[name] for name in names_of(certificate) if name in self.certificates), None)

    def authorise(self, tenant: Tenant, model: str) -> None:
        """Lets the call pass to the model.

        Raises:
            PermissionDenied: The tenant's policy does not name the model, whether or not there is one.
        """
        if not tenant.may_call(model):
            raise PermissionDenied(
                "MODEL_NOT_ALLOWED",
                f"tenant '{tenant.name}' may not call '{model}'; ask for it to be added to the tenant's models",
                tenant=tenant.name,
                model=model,
            )


def open_directory(policies: Iterable[TenantPolicy], *, behind_edge: bool = False) -> Directory:
    """Compiles tenant policies.

    Args:
        policies: Who may call what.
        behind_edge: Whether every call comes through an edge that has looked at its caller's certificate.
    """
    keys: dict[str, tuple[HashedKey, KnownTenant]] = {}
    certificates: dict[str, KnownTenant] = {}
    for policy in policies:
        tenant = KnownTenant(policy.name, compile_globs(policy.models), policy.operator, policy.priority)
        keys |= {entry.id: (entry.hashed(), tenant) for entry in policy.keys}
        if behind_edge:
            certificates |= dict.fromkeys(policy.certificates, tenant)
    return Directory(keys, new_key()[1], certificates)


def compile_globs(globs: Iterable[str]) -> re.Pattern[str]:
    """Compiles globs into one pattern; no globs match nothing."""
    return re.compile("|".join(map(translate, globs)) or r"(?!)")
