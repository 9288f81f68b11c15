"""Models with experiments, and calls of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from gateway.calls import Call
from gateway.experiments import Experiment, Slice
from gateway.routing.routes import Routes, compile_routes
from gateway.types import Arm, Model
from tests.gateway.models import always, version

NAME = "team9_test"
VERSIONS = {number: version(number=number) for number in (1, 2, 3, 4)}
CHAMPION, CHALLENGER, OTHER = (
    Arm(name, VERSIONS[number]) for name, number in (("champion", 1), ("challenger", 2), ("challenger-b", 3))
)
TENANT: Any = SimpleNamespace(name="acme")


@dataclass(frozen=True, slots=True)
class Plain:
    """A method whose requests are dictionaries."""

    model: str = NAME

    def target(self, request: Any) -> tuple[str, str]:
        """Names the model, and the version that is pinned."""
        return self.model, request.get("version", "")

    def unit(self, item: Any) -> str:
        """Returns the unit."""
        return str(item.get("unit", ""))

    def value(self, item: Any, path: str) -> str | None:
        """Returns a field."""
        return item.get(path)  # type: ignore[no-any-return] # it is a text


METHOD: Any = Plain()


def slices(**shares: int) -> tuple[Slice, ...]:
    """Returns slices of arms in their order, and the rest for the champion."""
    made, first = list[Slice](), 0
    for name, count in shares.items():
        made.append(Slice(name.replace("_", "-"), first, count))
        first += count
    return (*made, Slice("champion", first, 10_000 - first)) if first < 10_000 else tuple(made)


def experiment(name: str = "cheaper", *, seed: str = "", **changes: Any) -> Experiment:
    """Returns a running experiment that gives a tenth to the challenger."""
    given = Experiment(name, seed or f"{NAME}.{name}", is_running=True, slices=slices(challenger=1_000))
    return replace(given, **changes)


def model_of(*experiments: Experiment, name: str = NAME) -> Model:
    """Returns a model with a champion, two challengers and experiments."""
    return Model(name, VERSIONS, (CHAMPION, CHALLENGER, OTHER), {}, experiments=experiments)


def routes_of(*experiments: Experiment, **parts: Any) -> Routes:
    """Returns the routes of one model."""
    return compile_routes({NAME: model_of(*experiments)}, parts.get("ready", always), parts.get("halted", frozenset()))


def call_of(unit: str | None = None, pin: str | None = None) -> Call:
    """Returns a call with metadata."""
    return Call(b"", None, None, unit=unit, pin=pin)


def arms_of(routes: Routes, units: Sequence[str]) -> list[Arm]:
    """Returns who answers calls of units."""
    call = call_of()
    return [routes.choose(METHOD, {"unit": unit}, call, TENANT) for unit in units]
