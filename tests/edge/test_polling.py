"""Polling: the loop is kept awake for lone callers of fast methods, never for long, and for nobody else."""

import asyncio
from time import monotonic

import pytest

from gateway.edge.native.polling import MOST_CALL_SECONDS, MOST_GAP_SECONDS, PATIENCE, Polling


class Watched:
    """A polling that counts its looks."""

    def __init__(self) -> None:
        self.looks = 0
        self.polling = Polling(self._look)

    def _look(self) -> None:
        self.looks += 1

    async def ask(self, times: int, call_seconds: float = 0.0, gap_seconds: float = 0.0) -> None:
        """Makes lone calls."""
        for _ in range(times):
            self.polling.begin(1)
            await asyncio.sleep(call_seconds)
            self.polling.end(0)
            await asyncio.sleep(gap_seconds)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})


async def test_a_lone_caller_of_a_fast_method_is_looked_for_and_not_for_long() -> None:
    watched = Watched()
    await watched.ask(100)
    watched.looks = 0
    await watched.ask(1)
    assert watched.looks
    await asyncio.sleep(2 * PATIENCE * max(MOST_CALL_SECONDS, MOST_GAP_SECONDS))
    seen, until = watched.looks, monotonic() + 0.02
    while monotonic() < until:
        await asyncio.sleep(0.001)
    assert watched.looks == seen


async def test_nobody_is_looked_for_while_a_slow_method_is_busy() -> None:
    watched = Watched()
    await watched.ask(100)
    await watched.ask(10, call_seconds=0.05)
    await asyncio.sleep(0.01)
    watched.looks = 0
    watched.polling.begin(1)
    await asyncio.sleep(0.01)
    assert not watched.looks


async def test_nobody_is_looked_for_in_company() -> None:
    watched = Watched()
    await watched.ask(100)
    watched.polling.begin(1)
    watched.polling.begin(2)
    watched.looks = 0
    await asyncio.sleep(0.005)
    watched.polling.end(1)
    assert not watched.looks


async def test_one_core_is_left_to_whoever_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    watched = Watched()
    await watched.ask(100)
    assert not watched.looks
