"""Experiments: what divides calls, the arms of each model side by side, and shadows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.operations.figures import Figures
from gateway.operations.look import Look
from gateway.operations.states import LiveArm
from gateway.operations.views.shadows import shadows_in
from gateway.operations.views.traffic import Line, lines_by
from gateway.operations.views.trials import champion_first, contests_in


@dataclass(frozen=True, slots=True)
class ArmColumn:
    """An arm.

    Attributes:
        arm: As the catalog has it, if it has.
        line: Its traffic, if there is any.
        calls: All calls of its model in the window.
    """

    name: str
    arm: LiveArm | None
    line: Line | None
    calls: int

    @property
    def share(self) -> float | None:
        """Its share of the calls of its model; None if there was none."""
        return self.figures.calls / self.calls if self.calls else None

    @property
    def figures(self) -> Figures:
        """Its figures."""
        return self.line.figures if self.line else Figures(0.0)


@dataclass(frozen=True, slots=True)
class Rivals:
    """A model and its arms, the champion first."""

    model: str
    columns: Sequence[ArmColumn]

    @property
    def champion(self) -> Figures:
        """What others are compared with."""
        return self.columns[0].figures


def show(look: Look) -> dict[str, Any]:
    """Returns experiments, shadows, models with several arms, and those with one."""
    lines: dict[str, dict[str, Line]] = {}
    for line in lines_by(look, ("model", "arm")):
        model, arm = line.names
        if model and arm:
            lines.setdefault(model, {})[arm] = line
    arms = {
        model.name: {arm.name: arm for arm in model.arms} for model in (look.catalog.models if look.catalog else ())
    }
    found = [rivals_of(name, arms.get(name, {}), lines.get(name, {})) for name in sorted({*lines, *arms})]
    several = [each for each in found if len(each.columns) > 1]
    others = [each for each in found if len(each.columns) == 1]
    return {"contests": contests_in(look), "shadows": shadows_in(look), "models": several, "others": others}


def rivals_of(model: str, arms: dict[str, LiveArm], lines: dict[str, Line]) -> Rivals:
    """Puts the arms of a model side by side."""
    calls = sum(line.figures.calls for line in lines.values())
    names = champion_first({*arms, *lines})
    columns = [ArmColumn(name, arms.get(name), lines.get(name), calls) for name in names]
    return Rivals(model, columns)
