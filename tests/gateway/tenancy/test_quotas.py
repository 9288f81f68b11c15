"""A tenant never gets more than its limits and the burst, and in the long run exactly as much, whatever it tries."""

from collections.abc import Sequence
from math import isclose
from time import perf_counter

import grpc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.edge.status import wire_status
from gateway.errors import Overloaded
from gateway.tenancy.quotas.account import ANSWER, REPORT, Account
from gateway.tenancy.quotas.accounts import Accounts
from gateway.tenancy.quotas.bucket import Bucket
from gateway.tenancy.quotas.limits import Limits
from gateway.tenancy.quotas.portion import Portion

START = 1000.0
rates = st.floats(0.1, 5000)
bursts = st.floats(0.01, 2)
steps = st.lists(st.tuples(st.floats(0, 2), st.floats(0.01, 1)), max_size=60)


def account_of(limits: Limits, shares: int = 1) -> Account:
    """Opens an account."""
    return Accounts(shares).of("finance", limits)


def refused(account: Account, now: float, rows: int = 0) -> Overloaded:
    """Makes a call, or takes rows; returns what refuses it."""
    with pytest.raises(Overloaded) as told:
        account.take_rows(rows, now) if rows else account.enter(now)
    return told.value


def entered(account: Account, now: float, most: int = 10_000) -> int:
    """Makes calls until one is refused; returns how many were admitted."""
    for number in range(most):
        try:
            account.enter(now)
        except Overloaded:
            return number
    return most


@given(rates, bursts, steps)
def test_in_any_time_a_bucket_gives_at_most_the_rate_and_the_burst(
    rate: float, burst: float, taken: Sequence[tuple[float, float]]
) -> None:
    bucket, now = Bucket(rate, max(1.0, rate * burst)), START
    before = []
    for seconds, part in taken:
        now += seconds
        before.append((now, bucket.taken))
        bucket.take(part * bucket.capacity, now)
        for then, given_before in before:
            most = rate * (now - then) + bucket.capacity
            assert bucket.taken - given_before <= most + 1e-6 * bucket.capacity


@given(rates, bursts, st.integers(1, 2000))
@example(rate=1000.0, burst=0.5, amount=2000)
def test_a_bucket_that_is_always_asked_gives_exactly_the_rate(rate: float, burst: float, amount: int) -> None:
    bucket, now = Bucket(rate, max(1.0, rate * burst)), START
    for _ in range(100):
        while (wait := bucket.take(amount, now)) == 0:
            pass
        now += wait
    most = rate * (now - START) + max(bucket.capacity, amount)
    assert most - 2 * amount - 1e-6 * most <= bucket.taken <= most + 1e-6 * most


@given(rates, bursts, st.integers(1, 500), steps)
def test_who_waits_as_long_as_told_is_admitted_and_not_before(
    rate: float, burst: float, amount: int, taken: Sequence[tuple[float, float]]
) -> None:
    bucket, now = Bucket(rate, max(1.0, rate * burst)), START
    for seconds, part in taken:
        now += seconds
        bucket.take(part * bucket.capacity, now)
    wait = bucket.take(amount, now)
    if wait:
        assert bucket.take(amount, now + 0.99 * wait) > 0
        assert bucket.take(amount, now + wait + 1e-6) == 0


def test_a_batch_larger_than_the_burst_is_admitted_when_all_is_there_and_paid_back() -> None:
    account = account_of(Limits(rows_per_second=1000))
    account.take_rows(2500, START)
    assert refused(account, START + 1.9, rows=1).retry_after_ms == 110
    account.take_rows(1, START + 2.1)
    assert refused(account, START + 2.1, rows=2500).retry_after_ms == 500
    account.take_rows(2500, START + 2.7)


def test_a_clock_that_is_set_back_or_far_ahead_brings_no_more_than_the_burst() -> None:
    account = account_of(Limits(calls_per_second=100))
    assert entered(account, START, 20) == 20
    assert entered(account, START - 900) == 30
    assert entered(account, START - 800) == 0
    assert entered(account, START) == 0
    assert entered(account, START + 1e9) == 50


def test_without_limits_everything_is_admitted_and_counted() -> None:
    account = account_of(Limits())
    assert entered(account, START) == account.active == 10_000
    account.take_rows(10**9, START)
    account.leave()
    assert (account.active, account.refused) == (9999, 0)


def test_so_many_calls_are_under_way_and_no_more() -> None:
    account = account_of(Limits(calls_per_second=10, concurrency=3))
    assert entered(account, START) == account.active == 3
    error = refused(account, START)
    assert (error.reason, error.metadata) == (
        "CONCURRENCY_LIMITED",
        {"tenant": "finance", "limit": "3 calls under way"},
    )
    account.leave()
    account.enter(START)
    assert (account.active, account.refused) == (3, 2)
    account.leave()
    account.enter(START)  # a call that was refused for being one too many cost no token: this is the fifth
    account.leave()
    assert refused(account, START).reason == "RATE_LIMITED"


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(calls_per_second=100), "100 calls/s"),
        (Limits(calls_per_second=0.5), "0.5 calls/s"),
        (Limits(rows_per_second=2_000_000), "2000000 rows/s"),
    ],
)
def test_a_refusal_says_whose_limit_it_is_and_when_to_try_again(limits: Limits, limit: str) -> None:
    account = account_of(limits)
    rows = 0 if limits.calls_per_second else 1_000_000
    if rows:
        account.take_rows(rows, START)
    else:
        entered(account, START)
    error = refused(account, START, rows)
    assert error.reason == "RATE_LIMITED"
    assert error.metadata == {"tenant": "finance", "limit": limit}
    assert limit in error.message
    assert "finance" in error.message
    assert str(error) == error.message
    again = refused(account, START, rows)
    assert again is not error
    assert wire_status(again) is wire_status(error)
    assert wire_status(error)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.args == (error.message,)


@given(rates, st.floats(0, 3))
def test_who_waits_as_long_as_a_refusal_says_is_admitted(rate: float, pause: float) -> None:
    account = account_of(Limits(calls_per_second=rate))
    entered(account, START)
    now = START + pause
    if entered(account, now) == 0:
        account.enter(now + refused(account, now).retry_after_ms / 1000)


def test_refusals_are_few_different_ones() -> None:
    account = account_of(Limits(rows_per_second=10))
    account.take_rows(100, START)
    told = {refused(account, START + ms / 1000, rows=1).retry_after_ms for ms in range(9500)}
    assert len(told) < 50


def test_new_limits_hold_at_once_and_forgive_nothing() -> None:
    accounts = Accounts()
    account = accounts.of("finance", Limits(calls_per_second=100))
    assert entered(account, START) == 50
    assert accounts.of("finance", Limits(calls_per_second=100)) is account
    assert entered(account, START) == 0
    accounts.of("finance", Limits(calls_per_second=1000))
    assert entered(account, START) == 0
    assert entered(account, START + 0.1) == 100
    accounts.of("finance", Limits(calls_per_second=1000, concurrency=151))
    assert entered(account, START + 0.2) == 1
    accounts.of("finance", Limits())
    assert entered(account, START + 0.2) == 10_000
    assert accounts.of("hr", Limits()) is not account


def test_half_a_burst_is_half_of_the_new_burst() -> None:
    accounts = Accounts()
    account = accounts.of("finance", Limits(calls_per_second=100))
    assert entered(account, START, 25) == 25
    accounts.of("finance", Limits(calls_per_second=1000))
    assert entered(account, START) == 250


def test_until_redis_says_otherwise_a_process_has_an_equal_share() -> None:
    account = account_of(Limits(calls_per_second=100, concurrency=30), shares=4)
    assert entered(account, START, 8) == 7  # of the calls under way
    account = account_of(Limits(calls_per_second=100), shares=4)
    assert entered(account, START) == 12
    assert entered(account, START + 0.4) == 10
    account = account_of(Limits(calls_per_second=1, concurrency=1), shares=4)
    assert entered(account, START) == 1


def test_what_comes_while_a_report_is_on_its_way_is_not_forgotten() -> None:
    account = account_of(Limits(calls_per_second=100))
    assert entered(account, START, 10) == 10
    account.report(START + 0.1)
    assert entered(account, START + 0.1, 5) == 5
    account.adopt((40.0, 0.5, 0.0, 0.0, 0.0), START + 0.1)
    assert entered(account, START + 0.1) == 15
    assert entered(account, START + 0.2) == 5


def test_a_report_that_is_made_again_says_the_same_consumption_and_demand_is_not_counted_twice() -> None:
    account = account_of(Limits(calls_per_second=100))
    entered(account, START, 10)
    first, second = (REPORT.unpack(account.report(START + 0.1)) for _ in range(2))
    assert first == second
    assert first[5:7] == (10, 10)


@given(st.floats(0.1, 100), st.floats(0.05, 0.95), st.sampled_from([1, 20]))
def test_parts_too_small_to_be_of_use_are_useful_ones_on_average(tokens: float, share: float, least: int) -> None:
    portion = Portion(1000.0, 1000.0, share)
    total, times = 0.0, 3000
    for _ in range(times):
        portion.bucket.unfit = least
        portion.adopt(tokens, share, START)
        total += portion.bucket.tokens
        assert portion.bucket.tokens in {0, least} or isclose(portion.bucket.tokens, tokens * share)
    assert abs(total / times - tokens * share) < 0.06 * least


def test_a_batch_that_did_not_fit_is_remembered_until_something_does() -> None:
    bucket = Bucket(1000, 500)
    bucket.take(450, START)
    bucket.take(200, START)
    bucket.refill(20, START)
    assert bucket.unfit == 200
    bucket.take(10, START)
    assert bucket.unfit == 0


def test_of_a_quota_that_is_hardly_used_everybody_has_a_call() -> None:
    portion = Portion(10.0, 5.0, 0.05)
    portion.adopt(5.0, 0.05, START)
    assert portion.bucket.tokens == 1


def test_an_account_rests_once_nothing_is_asked_of_it() -> None:
    accounts = Accounts()
    account = accounts.of("finance", Limits(concurrency=2))
    assert not accounts.roster.busy
    account.enter(START)
    for second in range(1, 4):
        account.report(START + second)
        account.adopt(ANSWER.unpack(bytes(ANSWER.size)), START + second)
        assert accounts.roster.busy == {account}
    account.leave()
    account.report(START + 5)
    account.adopt(ANSWER.unpack(bytes(ANSWER.size)), START + 5)
    assert not accounts.roster.busy


def test_ten_thousand_accounts_are_opened_at_a_glance() -> None:
    accounts, limits = Accounts(), Limits(100, 1000, concurrency=8)
    times = []
    for _ in range(5):
        start = perf_counter()
        for number in range(10_000):
            accounts.of(f"tenant-{number}", limits)
        times.append(perf_counter() - start)
    assert min(times) < 1


@pytest.mark.parametrize(
    "limits",
    [{"calls_per_second": 0}, {"rows_per_second": -1}, {"calls_per_second": float("nan")}, {"concurrency": 0},
     {"rows_per_second": float("inf")}, {"burst_seconds": -0.1}],
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="has to be"):
        Limits(**limits)  # type: ignore[arg-type] # a concurrency is whole
