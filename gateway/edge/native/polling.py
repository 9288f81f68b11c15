"""Keeps the loop awake where something is about to come.

To wake up takes a thread longer than a small call takes it: a lone caller, who sends the next call once it has its
answer, would wait for the receiver to wake up, then for the loop, and then for the loop again. On two cores it adds
0.35 ms to a call of 0.65 ms, rather than 0.70 ms; it costs 0.3 ms of CPU. With company there is no need.
"""

import asyncio
import os
from collections.abc import Callable
from time import monotonic
from typing import Final

# What usually takes longer is slept for.
MOST_CALL_SECONDS: Final = 0.002
MOST_GAP_SECONDS: Final = 0.001

# It may take so many times as long as usual.
PATIENCE: Final = 2.0
WEIGHT: Final = 0.1
LONG_SECONDS: Final = 1.0


class Polling:
    """Decides when to look, by what lone calls and the gaps between them usually take.

    Args:
        look: Takes what has come, if anything has.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._call_seconds = self._gap_seconds = LONG_SECONDS
        self._began = self._ended = self._until = 0.0
        self._turning = False
        self._is_useful = len(os.sched_getaffinity(0)) > 1  # with one core it would hold up who is waited for

    def begin(self, under_way: int) -> None:
        """Notes that a call has begun, and how many are under way with it."""
        if under_way > 1:
            self._until = 0.0
            return
        self._began = monotonic()
        self._gap_seconds = learnt(self._gap_seconds, self._began - self._ended)
        if self._call_seconds < MOST_CALL_SECONDS:
            self._watch(self._began + PATIENCE * self._call_seconds)

    def end(self, under_way: int) -> None:
        """Notes that a call has ended, and how many are still under way."""
        if under_way:
            return
        self._ended = monotonic()
        self._call_seconds = learnt(self._call_seconds, self._ended - self._began)
        if self._gap_seconds < MOST_GAP_SECONDS:
            self._watch(self._ended + PATIENCE * self._gap_seconds)

    def _watch(self, until: float) -> None:
        """Looks at every turn of the loop, which goes on turning, until a time."""
        self._until = until
        if self._is_useful and not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turning = monotonic() < self._until
        if self._turning:
            self._look()
            self._loop.call_soon(self._turn)


def learnt(usual: float, seconds: float) -> float:
    """Returns what is usual once so many seconds were seen."""
    return usual + WEIGHT * (min(seconds, LONG_SECONDS) - usual)
