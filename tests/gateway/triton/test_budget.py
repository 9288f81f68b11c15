"""Second tries are bounded, and none is lost for it."""

import asyncio

from gateway.backends.triton.budget import RetryBudget


async def test_more_second_tries_than_a_fifth_wait_for_their_turn_and_all_get_it() -> None:
    budget = RetryBudget()
    budget.active = 40
    most = running = done = 0

    async def second_try() -> None:
        nonlocal most, running, done
        async with budget.second_try():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1
            done += 1

    await asyncio.gather(*(second_try() for _ in range(100)))
    assert (most, done) == (8, 100)


async def test_three_are_always_allowed() -> None:
    budget = RetryBudget()
    budget.active = 1
    async with budget.second_try(), budget.second_try():
        assert budget.spare()
        async with budget.second_try():
            assert not budget.spare()


async def test_one_that_is_cancelled_while_it_waits_takes_nobodys_place() -> None:
    budget = RetryBudget()

    async def second_try(seconds: float) -> None:
        async with budget.second_try():
            await asyncio.sleep(seconds)

    holders = [asyncio.create_task(second_try(0.05)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(second_try(0)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.gather(*holders, waiting[1])
    assert budget.spare()


async def test_a_turn_that_comes_too_late_goes_to_the_next() -> None:
    budget = RetryBudget()
    release = asyncio.Event()

    async def second_try() -> None:
        async with budget.second_try():
            await release.wait()

    holders = [asyncio.create_task(second_try()) for _ in range(3)]
    await asyncio.sleep(0)
    first, second = (asyncio.create_task(second_try()) for _ in range(2))
    await asyncio.sleep(0)
    holders[0].cancel()
    await asyncio.sleep(0)  # the first has its turn now, and does not know yet
    first.cancel()
    release.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*holders, first, second, return_exceptions=True)
    assert second.done()
    assert not second.cancelled()
