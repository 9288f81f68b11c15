"""Admits calls: finds the tenant of an API key and says which models it may call."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate

from gateway.errors import PermissionDenied, Unauthenticated
from gateway.interfaces import Tenant
from gateway.tenancy.keys import HashedKey, new_key, parse_key
from gateway.tenancy.policies import TenantPolicy
from gateway.types import Call

HOW_TO_SEND = "send the tenant's key in the metadata `x-api-key`"


@dataclass(frozen=True, slots=True)
class KnownTenant:
    """A tenant, ready to be asked."""

    name: str
    models: re.Pattern[str]
    operator: bool

    def may_call(self, model: str) -> bool:
        """Says whether the tenant's policy names the model."""
        return self.models.match(model) is not None


@dataclass(frozen=True, slots=True)
class Directory:
    """The tenants of one reading of the tenants file.

    Attributes:
        keys: Key and tenant by the key's id.
        nobody: Compared with keys that are not known, so that they take as long as known ones.
    """

    keys: Mapping[str, tuple[HashedKey, KnownTenant]]
    nobody: HashedKey

    def admit(self, call: Call) -> Tenant:
        """Tells who calls.

        Raises:
            Unauthenticated: The call has no key, or one that is not known.
        """
        if not call.api_key:
            raise Unauthenticated("API_KEY_MISSING", f"the call carries no API key; {HOW_TO_SEND}")
        key_id, secret = parse_key(call.api_key)
        key, tenant = self.keys.get(key_id, (self.nobody, None))
        if not key.matches(secret) or tenant is None:
            raise Unauthenticated("API_KEY_INVALID", f"the API key is not known; {HOW_TO_SEND}")
        return tenant

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


def open_directory(policies: Iterable[TenantPolicy]) -> Directory:
    """Compiles tenant policies."""
    keys = {
        entry.id: (entry.hashed(), tenant)
        for policy in policies
        for tenant in [KnownTenant(policy.name, compile_globs(policy.models), policy.operator)]
        for entry in policy.keys
    }
    return Directory(keys, new_key()[1])


def compile_globs(globs: Iterable[str]) -> re.Pattern[str]:
    """Compiles globs into one pattern; no globs match nothing."""
    return re.compile("|".join(map(translate, globs)) or r"(?!)")
