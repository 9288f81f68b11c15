"""Counts what becomes of the calls of one shadow: in the metrics, and for the state of the process."""

from collections.abc import Mapping
from typing import Any

from gateway.shadows.comparison import Comparison
from gateway.telemetry.families import SHADOW_CALLS, SHADOW_DECISIONS, SHADOW_SHIFT
from gateway.telemetry.instruments import Instruments
from gateway.types import Shadow


class Counts:
    """What became of the calls of a shadow.

    Args:
        instruments: Count them.
        shadow: The shadow.

    Attributes:
        compared: Calls whose answers were compared.
        sheds: Calls that were let go of.
        failed: Calls that the shadow failed.
    """

    def __init__(self, instruments: Instruments, shadow: Shadow) -> None:
        self.compared = self.sheds = self.failed = 0
        labels = (shadow.version.model, shadow.name, str(shadow.version.number))
        outcomes = (instruments.counter(SHADOW_CALLS, *labels, each) for each in ("compared", "shed", "failed"))
        decisions = (instruments.counter(SHADOW_DECISIONS, *labels, each) for each in ("same", "other"))
        self._compared, self._shed, self._failed = outcomes
        self._same, self._other = decisions
        self._shift = instruments.histogram(SHADOW_SHIFT, *labels)

    def shed(self, calls: int = 1) -> None:
        """Counts calls that were let go of."""
        self.sheds += calls
        self._shed.add(calls)

    def fail(self, calls: int = 1) -> None:
        """Counts calls that the shadow failed."""
        self.failed += calls
        self._failed.add(calls)

    def compare(self) -> None:
        """Counts a call whose answers were compared."""
        self.compared += 1
        self._compared.add()

    def take(self, found: Comparison) -> None:
        """Counts what a comparison of some rows has found."""
        for shift in found.shifts:
            self._shift.observe(shift)
        if found.same:
            self._same.add(found.same)
        if found.other:
            self._other.add(found.other)

    def describe(self) -> Mapping[str, Any]:
        """Says what became of calls since the process began, ready for JSON."""
        return {"compared": self.compared, "shed": self.sheds, "failed": self.failed}
