"""Shadows: how often they were asked, and how what they say differs from what the champion said."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.operations.drawing import Column, draw_columns
from gateway.operations.figures import sums_by, sums_by_outcome
from gateway.operations.history import Window
from gateway.operations.look import Look
from gateway.operations.states import LiveShadow
from gateway.telemetry.families import SHADOW_CALLS, SHADOW_DECISIONS, SHADOW_SHIFT, Family
from gateway.telemetry.layout import Labels
from gateway.telemetry.reading import Numbers

# Shifts are told apart by these sizes, in either direction; those below the first are none. All are bounds of
# `SHADOW_SHIFT`.
SIZES = tuple(round(digit * 10.0**power, 9) for power in range(-2, 6) for digit in (1, 2, 5))
LEAST_SIZES = 6


@dataclass(frozen=True, slots=True)
class ShadowLine:
    """A shadow in the window.

    Attributes:
        model: Registered name.
        name: Of its arm.
        version: Its version.
        share: Share of the champion's calls that it is to be asked too; None if the catalog does not have it now.
        queued: Calls that it is to be asked and was not yet.
        calls: Calls by what became of them.
        decisions: Rows by whether they were decided as the champion decided.
        shifts: Sum of shifts, then the count of each bucket.
    """

    model: str
    name: str
    version: str
    share: float | None
    queued: int
    calls: Mapping[str, float]
    decisions: Mapping[str, float]
    shifts: Numbers = field(default_factory=lambda: np.zeros(SHADOW_SHIFT.cells))

    @property
    def asked(self) -> float:
        """Calls that it was to be asked."""
        return sum(self.calls.values())

    def share_of(self, outcome: str) -> float | None:
        """Returns the share of calls that ended in a way; None if there was no call."""
        return self.calls.get(outcome, 0.0) / self.asked if self.asked else None

    @property
    def flipped(self) -> float | None:
        """Share of rows that it decides otherwise; None if there was no decision."""
        rows = sum(self.decisions.values())
        return self.decisions.get("other", 0.0) / rows if rows else None

    @property
    def rows(self) -> float:
        """Rows whose scores were compared."""
        return float(self.shifts[1:].sum())

    @property
    def mean_shift(self) -> float | None:
        """Mean of the shifts; None if no score was compared."""
        return float(self.shifts[0]) / self.rows if self.rows else None

    @property
    def parts(self) -> "Parts":
        """Its shifts, from the most negative to the most positive."""
        return parts_of(self.shifts[1:])


@dataclass(frozen=True, slots=True)
class Parts:
    """A distribution of shifts that is as wide on either side.

    Attributes:
        counts: Rows of each part; the one in the middle has no shift to speak of.
        widest: How far the outermost parts reach; shifts beyond all sizes are in them too.
    """

    counts: Sequence[float]
    widest: float

    @property
    def columns(self) -> Sequence[Column]:
        """The distribution, drawn."""
        return draw_columns(self.counts)

    @property
    def steady(self) -> float | None:
        """Share of rows without a shift to speak of."""
        whole = sum(self.counts)
        return self.counts[len(self.counts) // 2] / whole if whole else None

    @property
    def lower(self) -> float:
        """Rows whose score is lower."""
        return sum(self.counts[: len(self.counts) // 2])

    @property
    def higher(self) -> float:
        """Rows whose score is higher."""
        return sum(self.counts[len(self.counts) // 2 + 1 :])


def parts_of(buckets: Numbers) -> Parts:
    """Divides shifts by their size and direction, as far as there are any."""
    edges = [*(-size for size in reversed(SIZES)), *SIZES]
    ends = [bisect_left(SHADOW_SHIFT.bounds, edge) + 1 for edge in edges]
    counts = [float(part.sum()) for part in np.split(buckets, ends)]
    middle = len(counts) // 2
    reach = max((abs(at - middle) for at, count in enumerate(counts) if count), default=0)
    reach = max(reach, LEAST_SIZES)
    return Parts(counts[middle - reach : middle + reach + 1], SIZES[min(reach, len(SIZES) - 1)])


def shadows_in(look: Look) -> list[ShadowLine]:
    """Returns the shadows that the catalog has or that were asked in the window, by model and name."""
    shifts: dict[Labels, Numbers] = {}
    calls: dict[Labels, Mapping[str, float]] = {}
    decisions: dict[Labels, Mapping[str, float]] = {}
    if look.window is not None:
        shifts = sums_by(look.window, SHADOW_SHIFT, lambda labels: labels)
        calls, decisions = (counts_in(look.window, family) for family in (SHADOW_CALLS, SHADOW_DECISIONS))
    live, queued = live_shadows(look), queued_in(look)
    asked = {labels for labels, outcomes in calls.items() if any(outcomes.values())}
    return [
        ShadowLine(
            model=labels[0],
            name=labels[1],
            version=labels[2],
            share=live[labels].share if labels in live else None,
            queued=queued.get(labels, 0),
            calls=calls.get(labels, {}),
            decisions=decisions.get(labels, {}),
            shifts=shifts.get(labels, np.zeros(SHADOW_SHIFT.cells)),
        )
        for labels in sorted({*live, *asked})
    ]


def counts_in(window: Window, family: Family) -> dict[Labels, Mapping[str, float]]:
    """Returns the counts of each shadow, by outcome."""
    return {
        shadow: {outcome: float(numbers[0]) for outcome, numbers in outcomes.items()}
        for shadow, outcomes in sums_by_outcome(window, family).items()
    }


def live_shadows(look: Look) -> dict[Labels, LiveShadow]:
    """Returns the shadows of the catalog, by model, name and version."""
    models = look.catalog.models if look.catalog else ()
    return {(model.name, each.name, str(each.version)): each for model in models for each in model.shadows}


def queued_in(look: Look) -> dict[Labels, int]:
    """Returns how many calls wait for shadows, in all processes."""
    queued: dict[Labels, int] = {}
    for state in look.states:
        for each in state.shadows:
            labels = (each.model, each.arm, str(each.version))
            queued[labels] = queued.get(labels, 0) + each.queued
    return queued
