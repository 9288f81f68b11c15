"""What an arm has done in the last seconds, moment by moment."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Count:
    """What an arm has done: since counting began, or in one moment, or in each of several (one a row).

    Attributes:
        durations: Calls that were answered, by bucket of how long they took.
        failed: Calls that failed.
        scores: Scores, by bucket.
    """

    durations: Numbers
    failed: Numbers
    scores: Numbers

    def since(self, before: "Count") -> "Count | None":
        """Returns what came since another count; None if that is no earlier one: a sheet was begun anew."""
        grown = Count(self.durations - before.durations, self.failed - before.failed, self.scores - before.scores)
        return None if min(grown.durations.min(), grown.failed.min(), grown.scores.min()) < 0 else grown

    def is_nothing(self) -> bool:
        """Says whether it did nothing."""
        return not (self.durations.any() or self.failed.any())


class Moment(NamedTuple):
    """What happened between two looks.

    Attributes:
        began: When, in seconds.
        ended: The same.
        arm: What the arm did.
        champion: What the champion did.
    """

    began: float
    ended: float
    arm: Count
    champion: Count


@dataclass(slots=True)
class Window:
    """Moments of an arm and of the champion, of which those beyond the window are forgotten.

    Attributes:
        seconds: How long it is.
        known: When it was looked last, and what both had done by then.
        moments: What both did since, without what is too long ago.
    """

    seconds: float
    known: tuple[float, Count, Count] | None = None
    moments: deque[Moment] = field(default_factory=deque)

    def take(self, now: float, arm: Count, champion: Count) -> None:
        """Takes what both have done until now."""
        if self.known is not None:
            before, arm_before, champion_before = self.known
            grown, grown_there = arm.since(arm_before), champion.since(champion_before)
            if grown is None or grown_there is None:
                self.moments.clear()
            elif not (grown.is_nothing() and grown_there.is_nothing()):
                self.moments.append(Moment(before, now, grown, grown_there))
        self.known = now, arm, champion
        while self.moments and self.moments[0].ended <= now - self.seconds:
            self.moments.popleft()

    def last(self, seconds: float) -> tuple[Count, Count]:
        """Returns both in each of the moments of the last seconds in which they did anything; there is one at least."""
        found = self._since(seconds)
        return stack([moment.arm for moment in found]), stack([moment.champion for moment in found])

    def spans(self, seconds: float) -> float:
        """Returns how long these moments take together, in seconds."""
        found = self._since(seconds)
        return found[-1].ended - found[0].began

    def _since(self, seconds: float) -> list[Moment]:
        since = self.moments[-1].ended - seconds
        return [moment for moment in self.moments if moment.ended > since]


def stack(moments: Sequence[Count]) -> Count:
    """Puts moments one below the other."""
    return Count(
        np.array([each.durations for each in moments]),
        np.array([each.failed for each in moments]),
        np.array([each.scores for each in moments]),
    )
