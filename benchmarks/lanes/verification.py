"""Nothing is timed before it answers right: alone, and with many callers at once."""

from collections.abc import Iterable

from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.loads import ask_in_turn
from benchmarks.lanes.measurement import Pace

CALLERS = (1, 64)
MOST_SECONDS = 1.0


class WrongAnswersError(Exception):
    """A contestant does not answer right; the message says which, and how."""


async def verify(contestants: Iterable[Contestant], pace: Pace) -> int:
    """Asks each contestant; returns how many answers were looked at.

    Raises:
        WrongAnswersError: One failed or was wrong.
    """
    looked_at, seconds = 0, min(pace.seconds, MOST_SECONDS)
    for contestant in contestants:
        for callers in CALLERS:
            tally = await ask_in_turn(contestant, callers, seconds)
            if tally.problems or not tally.calls:
                told = ", ".join(f"{times} times {problem}" for problem, times in tally.problems.most_common(3))
                raise WrongAnswersError(f"{contestant.name}, {callers} callers, {tally.calls} calls: {told}")
            looked_at += tally.calls
    return looked_at
