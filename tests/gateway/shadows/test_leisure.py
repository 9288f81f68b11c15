"""Moments for shadows are rare, and the rarer the busier the worker is."""

import asyncio
from collections.abc import Iterator
from itertools import cycle
from time import perf_counter

from gateway.shadows.leisure import (
    BUSY_PAUSE_SECONDS,
    LEAST_PAUSE_SECONDS,
    LEAST_SPARE,
    LULL_SECONDS,
    MOST_SHARE,
    Leisure,
)


async def moment(leisure: Leisure) -> float:
    """Waits for a moment; returns how long that took."""
    began = perf_counter()
    while not await leisure.come():
        pass
    return perf_counter() - began


async def test_a_moment_comes_soon_while_there_is_nothing_to_do() -> None:
    leisure = Leisure(lambda: 0.0)
    assert await moment(leisure) > LEAST_PAUSE_SECONDS / 2


async def test_what_is_spent_is_a_small_part_of_the_time() -> None:
    leisure, spent = Leisure(lambda: 0.0), 0.02
    await moment(leisure)
    leisure.spend(spent)
    assert spent / (spent + await moment(leisure)) <= 1.05 * MOST_SHARE


async def test_no_moment_comes_while_the_places_are_taken() -> None:
    leisure = Leisure(lambda: 1.0)
    assert [await leisure.come() for _ in range(5)] == [False] * 5


async def test_looks_that_find_no_room_are_further_and_further_apart() -> None:
    leisure = Leisure(lambda: 1.0)
    for _ in range(30):
        await leisure.come()
    began = perf_counter()
    await leisure.come()
    assert perf_counter() - began >= 0.9 * BUSY_PAUSE_SECONDS / LEAST_SPARE


async def test_a_busy_worker_spares_less_of_its_time() -> None:
    taken: Iterator[float] = cycle([1.0, 1.0, 1.0, 0.0])
    leisure, spent = Leisure(lambda: next(taken)), 0.002
    for _ in range(20):
        await moment(leisure)
    leisure.spend(spent)
    assert spent / (spent + await moment(leisure)) < 0.6 * MOST_SHARE


async def test_work_that_has_begun_stands_still_while_calls_wait_and_ends_all_the_same() -> None:
    looks = iter([1.0] * 5 + [0.0])
    began = perf_counter()
    await Leisure(lambda: next(looks)).give_way()
    assert perf_counter() - began >= 4 * LULL_SECONDS
    assert next(looks, None) is None
    await Leisure(lambda: 1.0).give_way()


async def test_work_of_others_is_noticed() -> None:
    leisure, loop = Leisure(lambda: 0.0), asyncio.get_running_loop()
    ends = loop.time() + 0.2

    def work() -> None:
        until = loop.time() + 0.001
        while loop.time() < until:
            pass
        if loop.time() < ends:
            loop.call_soon(work)

    work()
    assert not await leisure.come()
    assert loop.time() < ends
    await asyncio.sleep(0.25)
