"""When shadows may be asked: while nobody waits, and for a small part of the time."""

import asyncio
from collections.abc import Callable
from time import perf_counter

# Part of the time that shadows may take of one place while the worker has nothing else to do; the busier it was found
# of late, the less.
MOST_SHARE = 0.05

# Looks are so far apart at least; so far after one that found no room, and further the rarer there is any.
LEAST_PAUSE_SECONDS, BUSY_PAUSE_SECONDS = 0.005, 0.01

# While calls wait, work that has begun stands still: looks are so far apart, and after so many it goes on all the same.
LULL_SECONDS, MOST_LULLS = 0.001, 50

# So many turns of the event loop take next to nothing (1 µs each) while there is nothing to do, and exactly what there
# is to do otherwise.
TURNS, QUIET_SECONDS = 8, 0.000_2

# Weight of the latest look in what is known of how often there is room, and the least that is made of that.
WEIGHT, LEAST_SPARE = 0.1, 0.1


class Leisure:
    """Finds moments in which nobody waits.

    Args:
        utilisation: Returns what part of the places is taken now; 1 or more while calls wait.

    Attributes:
        spare: Share of the latest looks that found room.
    """

    def __init__(self, utilisation: Callable[[], float]) -> None:
        self.spare = 1.0
        self._utilisation = utilisation
        self._pause_seconds = LEAST_PAUSE_SECONDS

    async def come(self) -> bool:
        """Waits for a while; returns whether there is room now."""
        await asyncio.sleep(self._pause_seconds)
        has_room = await is_quiet() and self._utilisation() < 1
        self.spare += WEIGHT * (has_room - self.spare)
        if not has_room:
            self._pause_seconds = BUSY_PAUSE_SECONDS / max(self.spare, LEAST_SPARE)
        return has_room

    async def give_way(self) -> None:
        """Lets others work between two steps; while calls wait, a step would delay the batch that they gather for."""
        await asyncio.sleep(0)
        for _ in range(MOST_LULLS):
            if self._utilisation() < 1:
                return
            await asyncio.sleep(LULL_SECONDS)

    def spend(self, seconds: float) -> None:
        """Notes for how long the moment was used: the next one comes when that is a small part of the time."""
        share = MOST_SHARE * max(self.spare, LEAST_SPARE)
        self._pause_seconds = max(seconds * (1 / share - 1), LEAST_PAUSE_SECONDS)


async def is_quiet() -> bool:
    """Says whether the event loop has next to nothing to do."""
    began = perf_counter()
    for _ in range(TURNS):
        await asyncio.sleep(0)
    return perf_counter() - began < QUIET_SECONDS
