"""Several gateways keep to the limits of a tenant together, through a real Valkey and whatever happens to it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from importlib.resources import files
from time import monotonic
from typing import Any

import pytest
from structlog.testing import capture_logs

from benchmarks.quotas import TENANTS, Offer, Scenario, offer, play
from gateway.errors import ConfigurationError, Overloaded
from gateway.tenancy import quotas
from gateway.tenancy.quotas.account import ANSWER, Account
from gateway.tenancy.quotas.accounts import Accounts
from gateway.tenancy.quotas.limits import Limits
from gateway.tenancy.quotas.reconciliation import WORKERS, Reconciler
from tests.catalog.valkey import Valkey, running

HUNDRED = Limits(calls_per_second=100)
SLOW = Limits(calls_per_second=2, burst_seconds=25)  # as large a burst, and little comes while the machine stalls
KEY = "{gapura:quota}:tenant:finance"
PATIENCE_SECONDS = 20.0


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """Runs a server."""
    with running() as server:
        yield server


STALLED = 0.7


@asynccontextmanager
async def gateway(url: str) -> AsyncIterator[Accounts]:
    """Runs the reconciler of a gateway."""
    accounts = Accounts()
    task = asyncio.create_task(Reconciler(url, accounts).run())
    try:
        yield accounts
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def gateways(url: str, number: int) -> AsyncIterator[list[Accounts]]:
    """Runs gateways that know of each other."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(gateway(url)) for _ in range(number)]
        await eventually(lambda: all(accounts.roster.share == 1 / number for accounts in opened))
        yield opened


async def eventually(happens: Callable[[], bool]) -> None:
    """Waits until something is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not happens():
            await asyncio.sleep(0.01)


def entered(account: Account, most: int) -> int:
    """Makes calls until one is refused; returns how many were admitted."""
    for number in range(most):
        try:
            account.enter(monotonic())
        except Overloaded:
            return number
    return most


async def press(account: Account, seconds: float, each: int = 1) -> int:
    """Asks for more calls than there may be; returns how many were admitted."""
    admitted, end = 0, monotonic() + seconds
    while monotonic() < end:
        calls = entered(account, each)
        account.active -= calls
        admitted += calls
        await asyncio.sleep(0.002)
    return admitted


def verify(admitted: Counter[str], seconds: float, slack: float = 0.03) -> None:
    """Checks that every tenant got its rate and its burst, and not more: within a part, and a few calls or batches.

    A busy machine does not always ask for as much as it should.
    """
    for name, limits in TENANTS.items():
        rate = limits.calls_per_second or limits.rows_per_second or 0
        due, few = rate * (seconds + limits.burst_seconds), 100 if limits.rows_per_second else 4
        assert due * STALLED - few <= admitted[name] <= due * (1 + slack) + few, (name, admitted[name], due)


@pytest.mark.parametrize("parts", [(1.0,), (0.5, 0.5), (0.25,) * 4, (0.9, 0.1), (0.9, 0.05, 0.03, 0.02)])
async def test_together_they_admit_the_limit_however_the_load_is_shared(valkey: Valkey, parts: Sequence[float]) -> None:
    load = Offer(valkey.url(), len(parts), 1.0, monotonic(), 2.0)
    admitted = Counter[str]()
    for each in await asyncio.gather(*(offer(replace(load, part=part), TENANTS) for part in parts)):
        admitted.update(each)
    verify(admitted, 2.0)


def test_processes_of_their_own_admit_the_limit() -> None:
    verify(play(Scenario((0.6, 0.4)), 1.5), 1.5, slack=0.05)


async def test_a_redis_that_is_killed_and_comes_back_changes_nothing_and_is_told_once(valkey: Valkey) -> None:
    load = Offer(valkey.url(), 1, 1.0, monotonic(), 3.5)
    with capture_logs() as logs:
        offers = [asyncio.create_task(offer(replace(load, part=part), TENANTS)) for part in (0.8, 0.2)]
        await asyncio.sleep(1.0)
        valkey.kill()
        await asyncio.sleep(1.2)
        valkey.start()
        admitted = Counter[str]()
        for each in await asyncio.gather(*offers):
            admitted.update(each)
    verify(admitted, 3.5, slack=0.05)
    assert sorted(entry["log_level"] for entry in logs) == ["error", "error", "info", "info"]


@pytest.mark.parametrize("spoil", ["freeze", "fill", "forbid"])
async def test_a_redis_that_does_not_answer_or_refuses_holds_nobody_up(valkey: Valkey, spoil: str) -> None:
    async with gateways(valkey.url(), 2) as (one, other):
        accounts = [each.of("finance", HUNDRED) for each in (one, other)]
        await asyncio.gather(*(press(account, 0.6) for account in accounts))
        with capture_logs() as logs:
            if spoil == "freeze":
                valkey.freeze()
            elif spoil == "fill":
                valkey.do("CONFIG", "SET", "maxmemory", "1")
            else:
                valkey.do("ACL", "SETUSER", "default", "-evalsha", "-eval")
            admitted = await asyncio.gather(*(press(account, 1.2) for account in accounts))
            assert [entry["log_level"] for entry in logs] == ["error"] * 2
            assert 60 < sum(admitted) < 180  # each for itself would admit 240
            if spoil == "freeze":
                valkey.thaw()
            elif spoil == "fill":
                valkey.do("CONFIG", "SET", "maxmemory", "0")
            else:
                valkey.do("ACL", "SETUSER", "default", "+@all")
            start = monotonic() - 0.02
            await eventually(lambda: len(logs) == 4)
            admitted = await asyncio.gather(*(press(account, 0.6) for account in accounts))
            assert 25 < sum(admitted) < 100 * (monotonic() - start) + 30
        assert [entry["log_level"] for entry in logs] == ["error", "error", "info", "info"]


async def test_the_share_of_a_gateway_that_dies_goes_to_the_others_within_two_seconds(valkey: Valkey) -> None:
    async with gateway(valkey.url()) as one:
        account = one.of("finance", HUNDRED)
        async with gateway(valkey.url()) as other:
            await asyncio.gather(press(account, 0.8), press(other.of("finance", HUNDRED), 0.8))
            await eventually(lambda: one.roster.share == 0.5)
            divided, _ = await asyncio.gather(press(account, 0.8), press(other.of("finance", HUNDRED), 0.8))
            assert divided < 70
        await press(account, 1.5)
        await eventually(lambda: one.roster.share == 1)
        admitted = [await press(account, 0.8) for _ in range(3)]  # one of which meets no stall
        assert 60 < max(admitted) < 120


async def test_a_gateway_that_comes_late_gets_its_part(valkey: Valkey) -> None:
    async with gateway(valkey.url()) as one, gateway(valkey.url()) as other:
        early, late = one.of("finance", HUNDRED), other.of("finance", HUNDRED)
        await press(early, 1.0)
        await asyncio.gather(press(early, 1.0), press(late, 1.0))
        admitted = await asyncio.gather(press(early, 1.5), press(late, 1.5))
    assert 75 < sum(admitted) < 225
    assert min(admitted) > 25


async def test_who_is_asked_for_little_is_not_starved_by_who_is_asked_for_much(valkey: Valkey) -> None:
    async with gateways(valkey.url(), 2) as (one, other):
        busy, calm = (each.of("finance", Limits(rows_per_second=1000)) for each in (one, other))
        admitted = Counter[str]()

        async def take(account: Account, every_seconds: float) -> None:
            for _ in range(int(2 / every_seconds)):
                with suppress(Overloaded):
                    account.take_rows(200, monotonic())  # as large as all that the calm one is allowed at once
                    admitted["busy" if account is busy else "calm"] += 200
                await asyncio.sleep(every_seconds)

        start = monotonic()
        await asyncio.gather(take(busy, 0.01), take(calm, 0.05))
        seconds = monotonic() - start
    assert admitted["calm"] >= 200
    assert 1500 < admitted.total() < 1000 * seconds + 1500


async def test_so_many_calls_are_under_way_in_all_gateways_and_no_more(valkey: Valkey) -> None:
    async with gateways(valkey.url(), 4) as opened:
        accounts = [each.of("finance", Limits(concurrency=8)) for each in opened]
        for _ in range(60):
            for account in accounts:
                entered(account, 100)
            assert sum(account.active for account in accounts) <= 8
            await asyncio.sleep(0.01)
        assert sum(account.active for account in accounts) == 8
        one, other, *idle = accounts
        for account in (other, *idle):
            account.active = 0
        await eventually(lambda: entered(one, 100) >= 0 and one.active == 8)
        for _ in range(30):
            entered(other, 100)
            await asyncio.sleep(0.01)
        assert other.active == 1  # a share of the limit, but no more than the least while others have it all
        one.active = 4
        await eventually(lambda: entered(other, 100) >= 0 and other.active == 4)
        assert one.active == 4


async def test_tenants_that_nobody_calls_cost_nothing(valkey: Valkey) -> None:
    async with gateways(valkey.url(), 1) as (accounts,):
        opened = [accounts.of(f"tenant-{number}", HUNDRED) for number in range(1000)]
        for account in opened[:500]:
            account.enter(monotonic())
            account.leave()
        opened[0].enter(monotonic())
        await asyncio.sleep(0.5)
        assert valkey.do("DBSIZE") == 501
        assert all(key.startswith(b"{gapura:quota}:") for key in valkey.do("KEYS", "*"))
        assert all(0 < valkey.do("TTL", key) <= 60 for key in valkey.do("KEYS", "*")[:20])
        await eventually(lambda: accounts.roster.busy == {opened[0]})


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis://127.0.0.1:port", "redis://127.0.0.1?nonsense=1"])
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="GAPURA_REDIS_URL"):
        Reconciler(url, Accounts())


async def test_it_ends_when_it_is_cancelled_at_whatever_moment(valkey: Valkey) -> None:
    """On Python 3.11 a cancellation could be lost in redis-py, and the gateway would never end."""
    for turn in range(40):
        async with gateway(valkey.url()) as accounts:
            accounts.of("finance", HUNDRED).enter(monotonic())
            await asyncio.sleep(turn / 10_000)


class Reporter:
    """A worker that reports by hand.

    Args:
        valkey: The server.
        name: Of the worker.
        limits: Of its only tenant.
    """

    def __init__(self, valkey: Valkey, name: str, limits: Limits = SLOW) -> None:
        self.account = Accounts().of("finance", limits)
        self._valkey = valkey
        self._name = name

    def tell(self, *, heard: bool = True) -> tuple[float, ...]:
        """Reports; returns the answer, which the account gets if it is heard."""
        script = files(quotas).joinpath("reconciliation.lua").read_text()
        content = self._name, self.account.report(monotonic())
        written: Any = self._valkey.do("EVAL", script, 2, "{gapura:quota}:workers", KEY, *content)
        answer = ANSWER.unpack_from(written, WORKERS.size)
        if heard:
            self.account.adopt(answer, monotonic())
        return answer

    def exhaust(self) -> None:
        """Takes all that there is, twice, and reports it."""
        for _ in range(2):
            entered(self.account, 1000)
            self.tell()


def test_a_report_whose_answer_was_lost_counts_once(valkey: Valkey) -> None:
    reporter = Reporter(valkey, "one")
    entered(reporter.account, 10)
    assert 40 <= reporter.tell()[0] <= 42
    entered(reporter.account, 20)
    assert [20 <= reporter.tell(heard=False)[0] <= 25 for _ in range(3)] == [True] * 3
    valkey.do("HDEL", KEY, "w:one")  # forgotten: now it counts twice
    assert reporter.tell()[0] < 6


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_of_redis_that_is_set_brings_nothing(valkey: Valkey, seconds: int) -> None:
    reporter = Reporter(valkey, "one")
    reporter.exhaust()
    valkey.do("HINCRBYFLOAT", KEY, "at", -seconds)
    assert reporter.tell()[0] < 5
    entered(reporter.account, 1000)
    assert reporter.tell()[0] < 10


def test_a_redis_that_forgot_everything_gives_no_second_burst(valkey: Valkey) -> None:
    one, other = Reporter(valkey, "one"), Reporter(valkey, "two")
    one.exhaust()
    other.exhaust()
    valkey.do("FLUSHALL")
    assert max(one.tell()[0], other.tell()[0]) < 10


def test_the_latest_limits_hold(valkey: Valkey) -> None:
    one, other = Reporter(valkey, "one"), Reporter(valkey, "two", Limits(calls_per_second=20, rows_per_second=100))
    one.account.enter(monotonic())
    assert one.tell()[0] > 48
    other.account.enter(monotonic())
    told = other.tell()
    assert told[0] <= 10
    assert told[2] == 50
    assert one.tell()[0] <= 20


def test_debt_is_remembered_until_it_is_paid(valkey: Valkey) -> None:
    reporter = Reporter(valkey, "one", Limits(rows_per_second=100))
    reporter.account.take_rows(20_050, monotonic())
    assert -20_000 <= reporter.tell()[2] <= -19_900
    assert 255 <= valkey.do("TTL", KEY) <= 260


def test_all_shares_are_one(valkey: Valkey) -> None:
    reporters = [Reporter(valkey, f"worker-{number}") for number in range(5)]
    for number, reporter in enumerate(reporters):
        entered(reporter.account, 5 * number)
        reporter.account.enter(monotonic())
        reporter.tell(heard=False)
    shares = [reporter.tell(heard=False)[1] for reporter in reporters]
    assert 0.9 < sum(shares) < 1.1
    assert min(shares) > 0.015


async def test_shares_follow_demand(valkey: Valkey) -> None:
    busy, calm = Reporter(valkey, "busy"), Reporter(valkey, "calm")
    for reporter, calls in ((busy, 900), (calm, 100)):
        for _ in range(calls):
            entered(reporter.account, 1)
    await asyncio.sleep(0.1)
    busy.tell()
    assert 0.08 < calm.tell()[1] < 0.3
    assert 0.7 < busy.tell()[1] < 0.92
