"""Traffic: how many calls there are, how long they take and how they end, by model and arm and by tenant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.operations.drawing import Spark, draw_spark
from gateway.operations.figures import Course, Figures, courses_by, figures_by
from gateway.operations.history import Window
from gateway.operations.look import Look
from gateway.telemetry.families import CALL_ROWS, ERRORS, IN_FLIGHT, WAITING
from gateway.telemetry.layout import Labels
from gateway.telemetry.words import SERVER_ERROR_NAMES

LABELS = CALL_ROWS.labels
NO_MODEL = "-"  # what a filter says for calls without model, arm or tenant


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table.

    Attributes:
        names: Whose figures they are: model and arm, or tenant.
        filters: What leads to its traces.
        figures: In the window.
        rates: Calls a second in the last 15 minutes.
        failures: Failed calls a second in the last 15 minutes.
    """

    names: tuple[str, ...]
    filters: Mapping[str, str]
    figures: Figures
    rates: Spark | None
    failures: Spark | None


@dataclass(frozen=True, slots=True)
class Ending:
    """Calls that ended with an error."""

    code: str
    reason: str
    calls: int
    failed: bool


def show(look: Look) -> dict[str, Any]:
    """Returns totals, and lines by model and arm, and by tenant."""
    return {
        "total": next(iter(lines_by(look, ())), None),
        "arms": lines_by(look, ("model", "arm")),
        "tenants": lines_by(look, ("tenant",)),
        "endings": endings_in(look.window) if look.window else [],
        "in_flight": look.gauge(IN_FLIGHT),
        "waiting": look.gauge(WAITING),
        "lag": max((state.lag_seconds.worst for state in look.states), default=None),
    }


def lines_by(look: Look, names: tuple[str, ...]) -> list[Line]:
    """Returns a line for each value of some labels, busiest first; one line for no labels."""
    if look.window is None:
        return []
    wanted = [LABELS.index(name) for name in names]

    def key_of(labels: Labels) -> Labels:
        return tuple(labels[at] for at in wanted)

    courses = courses_by(look.steps, key_of)
    lines = [line_of(key, names, figures, courses.get(key)) for key, figures in figures_by(look.window, key_of).items()]
    return sorted(lines, key=lambda line: (-line.figures.calls, line.names))


def line_of(key: Labels, names: tuple[str, ...], figures: Figures, course: Course | None) -> Line:
    """Makes a line."""
    filters = {name: value or NO_MODEL for name, value in zip(names, key, strict=True)}
    rates, failures = (draw_spark(course.rates), draw_spark(course.failed)) if course else (None, None)
    return Line(key, filters, figures, rates, failures)


def endings_in(window: Window) -> list[Ending]:
    """Returns how calls of a window ended that did not end well, most first."""
    counts: dict[tuple[str, str], float] = {}
    for labels, place in window.after.places[ERRORS.name].items():
        *_, code, reason = labels
        if place < len(window.values):
            counts[code, reason] = counts.get((code, reason), 0.0) + window.values[place]
    found = [Ending(code, reason, int(calls), code in SERVER_ERROR_NAMES) for (code, reason), calls in counts.items()]
    return sorted((each for each in found if each.calls), key=lambda each: -each.calls)
