"""A tenant of one reading of the tenants file: what it may do, and what of that it does now."""

import sys
from time import monotonic
from typing import Protocol, Self

from gateway.calls import Call
from gateway.errors import InvalidRequest, PermissionDenied, TooLarge
from gateway.tenancy.globs import Names
from gateway.tenancy.policies import TenantPolicy
from gateway.tenancy.quotas.account import Account
from gateway.types import Priority


class Book(Protocol):
    """Writes down what tenants have used."""

    def charge(self, tenant: str, model: str, rows: int, backend_seconds: float, feature_hits: int = 0) -> None:
        """Counts an answered call."""


class KnownTenant:
    """A tenant, ready to be asked; as a context manager, a call of it that is under way.

    What a call needs of the policy is taken out of it: with ten thousand tenants what is far apart costs most.

    Args:
        policy: What is written of it.
        account: What it uses over time.
        book: Where what it has used is written down.
        names: Globs and services that tenants have in common.

    Attributes:
        policy: As above.
        account: As above.
        paths: Methods of which it is known that the tenant may call them.
        most_bytes: Largest message that it may send.
    """

    __slots__ = (
        "_book",
        "_models",
        "_pushes",
        "_rest",
        "_services",
        "_views",
        "account",
        "may_pin",
        "most_bytes",
        "name",
        "operator",
        "paths",
        "policy",
        "priority",
    )

    def __init__(self, policy: TenantPolicy, account: Account, book: Book | None, names: Names) -> None:
        self.policy = policy
        self.account = account
        self.name: str = policy.name
        self.operator: bool = policy.operator
        self.priority: Priority = policy.priority
        self.may_pin: bool = policy.pins
        self._rest = policy.rest
        self.most_bytes = names.size(policy.max_message_bytes or sys.maxsize)
        self._book = book
        self._models = names.globs(policy.models)
        self._services = names.services(policy.services)
        self._views = None if policy.feature_views is None else names.globs(policy.feature_views)
        self._pushes = names.globs(policy.feature_pushes)
        self.paths = self._services.found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object, /) -> None:
        self.account.leave()

    def may_call(self, model: str) -> bool:
        """Says whether the tenant's policy names the model."""
        return model in self._models

    def may_use(self, path: str) -> bool:
        """Says whether the tenant's policy names the method at a path, or its service."""
        return path in self._services

    def may_look_up(self, view: str) -> bool:
        """Says whether the tenant's calls may look features of a view up for their models."""
        return self._views is None or view in self._views

    def may_read(self, view: str, team: str) -> bool:
        """Says whether the tenant may read features of a view of a team itself."""
        return f"{team}_{view}" in self._models if self._views is None else view in self._views

    def may_push(self, view: str) -> bool:
        """Says whether the tenant's policy names the feature view as one that it may push to."""
        return view in self._pushes

    def check(self, call: Call) -> None:
        """Lets a call of the tenant pass to its method.

        Raises:
            PermissionDenied: The policy does not name the method, or the tenant may not call over REST.
            TooLarge: The message is larger than the tenant may send.
        """
        path = call.path
        if path and path not in self._services:
            raise self._denied("SERVICE_NOT_ALLOWED", f"may not call {path}; ask for it to be added to its services")
        if call.rest and not self._rest:
            raise self._denied("REST_NOT_ALLOWED", "may not call over REST; use gRPC, or ask for it to be allowed")
        if len(call.message) > self.most_bytes:
            most, size = self.most_bytes, len(call.message)
            told = f"tenant '{self.name}' may send {most} bytes in a message, this one has {size}; send less"
            raise TooLarge("MESSAGE_TOO_LARGE", told, tenant=self.name, limit=f"{most} bytes")

    def take_rows(self, rows: int) -> None:
        """Counts the rows of a call.

        Raises:
            InvalidRequest: They are more than the tenant may send at once.
            Overloaded: They are more than it may send over time.
        """
        most = self.policy.max_batch_rows
        if most is not None and rows > most:
            told = f"tenant '{self.name}' may send {most} rows in a call, this one has {rows}; send several calls"
            raise InvalidRequest("BATCH_TOO_LARGE", told, tenant=self.name, limit=str(most))
        self.account.take_rows(rows, monotonic())

    def charge(self, model: str, rows: int, backend_seconds: float, feature_hits: int = 0) -> None:
        """Writes down that a call was answered, with so many stored rows of features."""
        if self._book is not None:
            self._book.charge(self.name, model, rows, backend_seconds, feature_hits)

    def _denied(self, reason: str, told: str) -> PermissionDenied:
        return PermissionDenied(reason, f"tenant '{self.name}' {told}", tenant=self.name)
