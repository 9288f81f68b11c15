"""Tenants: what they may use, what is left of it, what they call and what they have used."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.operations.figures import Figures
from gateway.operations.look import Look
from gateway.operations.states import Quota, State, TenantState
from gateway.operations.views.traffic import Line, lines_by
from gateway.usage.layout import Counts


@dataclass(frozen=True, slots=True)
class Allowance:
    """A quota over all processes.

    Attributes:
        rate: So many a second, shared by all; None is no limit.
        left: Share of what may come at once that is left in the process that has least; None where none was used.
    """

    rate: float | None
    left: float | None


@dataclass(frozen=True, slots=True)
class TenantLine:
    """A tenant.

    Attributes:
        name: Of the tenant.
        views: What each process says of it.
        line: Its traffic, if there is any.
        used: What it has used since usage is counted.
    """

    name: str
    views: Sequence[TenantState]
    line: Line | None
    used: Counts

    @property
    def figures(self) -> Figures | None:
        """Its figures."""
        return self.line.figures if self.line else None

    @property
    def priority(self) -> str:
        """Its class."""
        return self.views[0].priority if self.views else ""

    @property
    def in_flight(self) -> int:
        """Its calls under way."""
        return sum(view.in_flight for view in self.views)

    @property
    def concurrency(self) -> int | None:
        """Calls that it may have under way at once."""
        return next((view.concurrency for view in self.views if view.concurrency is not None), None)

    @property
    def calls(self) -> Allowance:
        """Calls that it may make."""
        return allowance_of(view.calls for view in self.views)

    @property
    def rows(self) -> Allowance:
        """Rows that it may send."""
        return allowance_of(view.rows for view in self.views)


def show(look: Look) -> dict[str, Any]:
    """Returns a line for each tenant that processes tell of, that calls, or that has used something."""
    lines = {line.names[0]: line for line in lines_by(look, ("tenant",))}
    used: dict[str, Counts] = {}
    for (tenant, _), counts in look.sources.usage().items():
        used[tenant] = used.get(tenant, Counts()).plus(counts)
    views = views_of(look.states)
    names = sorted(
        {*lines, *views, *used}, key=lambda name: (-(lines[name].figures.calls if name in lines else 0), name)
    )
    found = [TenantLine(name, views.get(name, ()), lines.get(name), used.get(name, Counts())) for name in names]
    return {"tenants": found}


def views_of(states: Iterable[State]) -> dict[str, list[TenantState]]:
    """Returns what processes say of each tenant."""
    views: dict[str, list[TenantState]] = {}
    for state in states:
        for tenant in state.tenants:
            views.setdefault(tenant.name, []).append(tenant)
    return views


def allowance_of(quotas: Iterable[Quota]) -> Allowance:
    """Returns a quota over all processes."""
    known = [quota for quota in quotas if quota.rate is not None]
    left = [quota.left / quota.burst for quota in known if quota.left is not None and quota.burst]
    return Allowance(known[0].rate if known else None, max(min(left), 0.0) if left else None)
