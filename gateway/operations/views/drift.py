"""Drift, as far as live traffic tells: shifts of latency, errors and stored features against a while before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.operations.figures import Figures, figures_by
from gateway.operations.history import Window
from gateway.operations.look import MINUTE, Look
from gateway.telemetry.families import FEATURE_STATUS

BEFORE_MINUTES = 15
CLEAR_CALLS = 100  # in each of both times; fewer say little of percentiles
CLEAR_RATIO = 1.5


@dataclass(frozen=True, slots=True)
class Shift:
    """A model now and before.

    Attributes:
        model: Registered name.
        now: In the window.
        before: In the 15 minutes before it.
    """

    model: str
    now: Figures
    before: Figures

    @property
    def clear(self) -> bool:
        """Says whether enough calls differ enough to be pointed at."""
        if min(self.now.calls, self.before.calls) < CLEAR_CALLS:
            return False
        pairs = [(self.now.p50, self.before.p50), (self.now.p99, self.before.p99)]
        slower = any(now and before and now / before >= CLEAR_RATIO for now, before in pairs)
        now_failed, before_failed = self.now.failed_share or 0.0, self.before.failed_share or 0.0
        return slower or now_failed > max(CLEAR_RATIO * before_failed, 1 / CLEAR_CALLS)


@dataclass(frozen=True, slots=True)
class StatusLine:
    """Stored features of one status.

    Attributes:
        status: What lookups were answered with.
        count: Lookups in the window.
        share: Of all lookups in the window; None if there was none.
        before: The same in the 15 minutes before it.
    """

    status: str
    count: float
    share: float | None
    before: float | None


def show(look: Look) -> dict[str, Any]:
    """Returns shifts of models, shares of feature statuses, and how these went."""
    before = look.sources.history.window(BEFORE_MINUTES * MINUTE, ago=look.minutes * MINUTE)
    if look.window is None or before is None:
        return {"shifts": [], "statuses": [], "course": [], "before": 0.0}
    return {
        "shifts": shifts_between(look.window, before),
        "statuses": statuses_between(look.window, before),
        "course": [(step.after.taken, shares(statuses_in(step))) for step in look.steps],
        "before": before.seconds,
    }


def shifts_between(window: Window, before: Window) -> list[Shift]:
    """Returns a shift for each model that is called, the clear ones first."""
    now = figures_by(window, lambda labels: labels[3] or None)
    earlier = figures_by(before, lambda labels: labels[3] or None)
    found = [Shift(model, figures, earlier.get(model, Figures(0.0))) for model, figures in now.items() if figures.calls]
    return sorted(found, key=lambda shift: (not shift.clear, shift.model))


def statuses_in(window: Window) -> dict[str, float]:
    """Returns how many lookups had each status."""
    places = window.after.places[FEATURE_STATUS.name].items()
    return {labels[0]: float(window.values[place]) for labels, place in places if place < len(window.values)}


def statuses_between(window: Window, before: Window) -> list[StatusLine]:
    """Returns a line for each status, by its name."""
    counts, now, earlier = statuses_in(window), shares(statuses_in(window)), shares(statuses_in(before))
    return [StatusLine(name, counts[name], now.get(name), earlier.get(name)) for name in sorted(counts)]


def shares(counts: Mapping[str, float]) -> dict[str, float]:
    """Returns the share of each; nothing where there is nothing."""
    total = sum(counts.values())
    return {name: count / total for name, count in sorted(counts.items())} if total else {}
