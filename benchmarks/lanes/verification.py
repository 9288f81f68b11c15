"""Nothing is timed before it answers right: alone, and with many callers at once."""

from collections.abc import Iterable

from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.loads import ask_in_turn
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.verification import WrongAnswerError

CALLERS = (1, 64)
MOST_SECONDS = 1.0


async def verify(contestants: Iterable[Contestant], pace: Pace) -> int:
    """Asks each contestant; returns how many answers were looked at.

    Raises:
        WrongAnswerError: One failed or was wrong.
    """
    looked_at, seconds = 0, min(pace.seconds, MOST_SECONDS)
    for contestant in contestants:
        for callers in CALLERS:
            tally = await ask_in_turn(contestant, callers, seconds)
            if tally.problems or not tally.calls:
                told = ", ".join(f"{times} times {problem}" for problem, times in tally.problems.most_common(3))
                raise WrongAnswerError(f"{contestant.name}, {callers} callers, {tally.calls} calls: {told}")
            looked_at += tally.calls
    return looked_at
