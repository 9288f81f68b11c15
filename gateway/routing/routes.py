"""Chooses the arm that answers a call: what the caller pins, what an experiment says, or the champion."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from random import random
from typing import Any

from gateway.calls import Call
from gateway.errors import NotFound
from gateway.experiments import BUCKETS, Condition, Halted
from gateway.interfaces import BatchedMethod, Method, Parts, Tenant
from gateway.routing.hashing import PRIME, number_of
from gateway.routing.pins import read_number
from gateway.routing.plans import Plan, compile_plan
from gateway.types import Arm, Model, ModelVersion

MOST_TOLD = 100

# Calls of one sequence go to one version, also where they concern nobody.
SEQUENCE = "sequence_id"

# In the place of the number of a unit: there is none.
NO_UNIT = -1

Ready = Callable[[ModelVersion], bool]


@dataclass(frozen=True, slots=True)
class Routes:
    """The live models of one generation of the catalog.

    Attributes:
        models: They, by registered name.
        plans: What is known of each before a call comes.
        ready: Says whether any node can answer for a version.
    """

    models: Mapping[str, Model]
    plans: Mapping[str, Plan]
    ready: Ready

    def choose(self, method: Method, request: Any, call: Call, tenant: Tenant) -> Arm:
        """Names the arm that answers a call: no I/O, one hash for each experiment that is asked.

        Raises:
            NotFound: No such model, version or arm is live.
            InvalidRequest: The version is not a number.
        """
        model, version = method.target(request)
        plan = self.plans.get(model)
        if plan is None or version or call.pin:
            return self.pinned(model, version, call.pin or "")
        if not plan.tables:
            return plan.champion
        return self._arm(plan, method, request, call, tenant.name, None)

    def divide(self, method: BatchedMethod, request: Any, call: Call, tenant: Tenant) -> Parts:
        """Names the arms that answer the items of a batch, each with the positions of its items.

        Items without unit of their own have one arm: that of the call.

        Raises:
            NotFound: As above.
        """
        model, _ = method.target(request)
        plan = self.plans.get(model)
        items = method.items(request)
        if plan is None or call.pin or not plan.tables or not items:
            return [(self.choose(method, request, call, tenant), range(len(items)))]
        parts, drawn = dict[Arm, list[int]](), random()  # noqa: S311 - no secret
        for position, item in enumerate(items):
            arm = self._arm(plan, method, item, call, tenant.name, drawn)
            parts.setdefault(arm, []).append(position)
        return [*parts.items()]

    def pinned(self, model: str, version: str, pin: str = "") -> Arm:
        """Names the arm that answers a caller who pins one, the champion where it pins none; errors are Triton's own.

        Args:
            model: Registered name.
            version: Version that the request names, or an empty string.
            pin: Version or arm that the call's metadata name, or an empty string.

        Raises:
            NotFound: No such model, version or arm is live.
            InvalidRequest: The version is not a number.
        """
        number = read_number(model, version) if version else None
        plan = self.plans.get(model)
        if plan is None:
            raise NotFound("MODEL_UNKNOWN", f"Request for unknown model: '{model}' is not found", model=model)
        found = plan.names.get(pin) if number is None else plan.versions.get(number)
        if found is None and (version or pin):
            told = f"version {number}" if version else f"version or arm '{pin[:MOST_TOLD]}'"
            raise NotFound("MODEL_UNKNOWN", f"Request for unknown model: '{model}' {told} is not found", model=model)
        return found or plan.champion

    def unready(self) -> list[Arm]:
        """Returns the arms that have a share of an experiment and that no node can answer for."""
        challengers = (arm for plan in self.plans.values() for arm in plan.challengers())
        return [arm for arm in challengers if not self.ready(arm.version)]

    def with_halted(self, halted: Collection[Halted], names: Iterable[str]) -> "Routes":
        """Returns the same with other arms at fault, of the models that are named."""
        found = {name: compile_plan(self.models[name], halted) for name in names if name in self.models}
        return replace(self, plans={**self.plans, **found})

    def _arm(  # noqa: PLR0913, PLR0917 - what a choice depends on
        self, plan: Plan, method: Method, item: Any, call: Call, tenant: str, drawn: float | None
    ) -> Arm:
        """Asks the experiments of a model in their order.

        Buckets are computed here as `bucket_of` does: calling it would take a third of the time.

        Args:
            plan: The model's.
            method: What was called.
            item: The request, or an item of it.
            call: The call.
            tenant: Name of the caller.
            drawn: What is drawn for a call without unit, from 0 to 1; None to draw it.
        """
        number: int | None = None
        for table in plan.tables:
            if table.tenants and tenant not in table.tenants:
                continue
            if table.conditions and not meets(table.conditions, method, item):
                continue
            if number is None:
                unit = method.unit(item) or call.unit or method.value(item, SEQUENCE)
                number = number_of(unit) if unit else NO_UNIT
            if table.part is not None:
                first, end, (factor, offset) = table.part
                is_unit = number >= 0
                bucket = (number * factor + offset) % PRIME % BUCKETS if is_unit else int(random() * BUCKETS)  # noqa: S311 - no secret
                if not first <= bucket < end:
                    continue
            if number >= 0:
                factor, offset = table.mix
                arm = table.arms[bisect_right(table.ends, (number * factor + offset) % PRIME % BUCKETS)]
            else:
                drawn = random() if drawn is None else drawn  # noqa: S311 - no secret
                arm = table.drawn[bisect_right(table.ends, int(drawn * BUCKETS))]
            is_champion = arm.version is plan.champion.version
            return arm if is_champion or self.ready(arm.version) else table.substitute
        return plan.champion


def compile_routes(models: Mapping[str, Model], ready: Ready, halted: Collection[Halted] = frozenset()) -> Routes:
    """Compiles the live models.

    Args:
        models: By registered name.
        ready: Says whether any node can answer for a version.
        halted: Arms that guardrails have found at fault.
    """
    return Routes(models, {name: compile_plan(model, halted) for name, model in models.items()}, ready)


def meets(conditions: Iterable[Condition], method: Method, item: Any) -> bool:
    """Says whether a request has what an experiment asks for."""
    return all(method.value(item, condition.field) in condition.values for condition in conditions)
