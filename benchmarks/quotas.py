"""What a quota costs per call, and how exactly several gateways keep to it together when ten times as much is asked.

    python -m benchmarks.quotas [--seconds 60]

Worker processes stand for gateways: each has accounts and a reconciler of its own, and tries to admit its part of the
load, drawn at random. The table says what all of them admitted, as a part of what the limit allows in the time; the
burst at the beginning, half a second of the limit, is in it. Redis is a Valkey that is started for the purpose.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, perf_counter, sleep

from benchmarks.redis_servers import redis_server
from gateway.errors import Overloaded
from gateway.tenancy.quotas.account import Account
from gateway.tenancy.quotas.accounts import Accounts
from gateway.tenancy.quotas.limits import Limits
from gateway.tenancy.quotas.reconciliation import Reconciler

ROUNDS, CALLS = 400, 2000
OVERLOAD = 10
BATCH_ROWS = 20
TICK_SECONDS = 0.002
START_SECONDS = 0.5
READY = "ready\n"

TENANTS = {
    "10 calls/s": Limits(calls_per_second=10),
    "100 calls/s": Limits(calls_per_second=100),
    "2000 calls/s": Limits(calls_per_second=2000),
    "1000 rows/s": Limits(rows_per_second=1000),
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A way to share out the load.

    Attributes:
        parts: Of the load, one for each worker.
        redis: `up`, `absent`, or `killed` in the middle.
    """

    parts: tuple[float, ...]
    redis: str = "up"


SCENARIOS = (
    Scenario((1.0,)),
    Scenario((0.5, 0.5)),
    Scenario((0.25,) * 4),
    Scenario((0.9, 0.1)),
    Scenario((0.9, 0.05, 0.03, 0.02)),
    Scenario((0.9, 0.1), "killed"),
    Scenario((0.25,) * 4, "absent"),
)


@dataclass(frozen=True, slots=True)
class Offer:
    """What one worker is to try.

    Attributes:
        url: Redis.
        shares: Workers, as the accounts are told.
        part: Its part of the load.
        start: When it begins, by the monotonic clock.
        seconds: For how long.
    """

    url: str
    shares: int
    part: float
    start: float
    seconds: float


async def offer(load: Offer, tenants: Mapping[str, Limits], prefix: str = "gapura:quota") -> Counter[str]:
    """Tries to admit a part of the load; returns the calls or rows that were admitted, by tenant."""
    accounts = Accounts(load.shares)
    reconciling = asyncio.create_task(Reconciler(load.url, accounts, prefix).run())
    admitted = Counter[str]()
    tries = [attempt(accounts.of(name, limits), name, limits, load.part, admitted) for name, limits in tenants.items()]
    await asyncio.sleep(load.start - monotonic())
    before = load.start
    while (now := monotonic()) < load.start + load.seconds:
        for each in tries:
            each(now, now - before)
        before = now
        await asyncio.sleep(TICK_SECONDS)
    reconciling.cancel()
    await asyncio.gather(reconciling, return_exceptions=True)
    return admitted


def attempt(
    account: Account, name: str, limits: Limits, part: float, admitted: Counter[str]
) -> Callable[[float, float], None]:
    """Returns a function that tries what is due after some more seconds: as calls come, at random."""
    rate, amount = (limits.calls_per_second, 1) if limits.calls_per_second else (limits.rows_per_second, BATCH_ROWS)
    each_second = (rate or 0) / amount * OVERLOAD * part
    draw, due = random.Random(), 0.0  # noqa: S311 - not a secret

    def tries(now: float, seconds: float) -> None:
        nonlocal due
        due -= seconds
        while due <= 0:
            due += draw.expovariate(each_second)
            try:
                if amount == 1:
                    account.enter(now)
                    account.leave()
                else:
                    account.take_rows(amount, now)
            except Overloaded:
                continue
            admitted[name] += amount

    return tries


@contextmanager
def running_valkey() -> Iterator[tuple[str, Callable[[], None]]]:
    """Runs a Valkey; yields its URL, and what kills it."""
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        yield server.url, server.kill


def play(scenario: Scenario, seconds: float) -> Counter[str]:
    """Runs the workers of a scenario; returns what they admitted together."""
    with ExitStack() as stack:
        url, kill = stack.enter_context(running_valkey())
        if scenario.redis == "absent":
            kill()
        offers = [Offer(url, len(scenario.parts), part, 0.0, seconds) for part in scenario.parts]
        workers = [stack.enter_context(start_worker(each)) for each in offers]
        start = begin(workers)
        if scenario.redis == "killed":
            sleep(start + seconds / 2 - monotonic())
            kill()
        admitted = Counter[str]()
        for worker in workers:
            written, _ = worker.communicate()
            admitted.update(json.loads(written.splitlines()[-1]))
    return admitted


def start_worker(load: Offer) -> subprocess.Popen[str]:
    """Starts a worker in a process of its own."""
    fields = json.dumps({name: getattr(load, name) for name in Offer.__slots__})
    command = [sys.executable, "-m", "benchmarks.quotas", "--offer", fields]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)  # noqa: S603 - our own command


def begin(workers: Sequence[subprocess.Popen[str]]) -> float:
    """Waits until all workers are ready, and lets them begin together; returns when."""
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == READY, "a worker did not start"
    start = monotonic() + START_SECONDS
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(f"{start}\n")
        worker.stdin.flush()
    return start


def take_part(load: Offer) -> Counter[str]:
    """Offers what it is told as soon as it is told to begin; returns what was admitted."""
    print(READY, end="", flush=True)
    return asyncio.run(offer(replace(load, start=float(sys.stdin.readline())), TENANTS))


def nanoseconds(call: Callable[[], None]) -> float:
    """Returns the time of one call: the fastest of many rounds, as slower ones measure what else the machine did."""
    rounds = []
    for _ in range(ROUNDS):
        start = perf_counter()
        for _ in range(CALLS):
            call()
        rounds.append((perf_counter() - start) / CALLS * 1e9)
    return min(rounds)


def measure_costs() -> None:
    """Prints what a call costs."""
    accounts, now = Accounts(), monotonic()

    def admit(limits: Limits) -> Callable[[], None]:
        account = accounts.of(str(limits), limits)

        def call() -> None:
            nonlocal now
            now += 1e-6
            account.enter(now)
            account.leave()

        return call

    def refuse(limits: Limits) -> Callable[[], None]:
        call = admit(limits)

        def refused() -> None:
            try:
                call()
            except Overloaded:
                return

        return refused

    def nothing() -> None:
        nonlocal now
        now += 1e-6

    limited = Limits(calls_per_second=1e9, rows_per_second=1e9, concurrency=1_000_000)
    print(f"{'the loop alone':24} {nanoseconds(nothing):6.0f} ns")
    print(f"{'enter, leave: no limits':24} {nanoseconds(admit(Limits())):6.0f} ns")
    print(f"{'enter, leave: limits':24} {nanoseconds(admit(limited)):6.0f} ns")
    print(f"{'enter: refused':24} {nanoseconds(refuse(Limits(calls_per_second=0.001))):6.0f} ns")
    tenants = [(f"tenant-{number}", Limits(100, 1000, concurrency=8)) for number in range(10_000)]
    start = perf_counter()
    for name, limits in tenants:
        accounts.of(name, limits)
    print(f"10,000 accounts opened in {(perf_counter() - start) * 1e3:.0f} ms")


def print_ratios(scenarios: Sequence[Scenario], seconds: float) -> None:
    """Prints what was admitted, as a part of what the limits allow."""
    print(f"\nadmitted / limit in {seconds:g} s, offered {OVERLOAD} times the limit")
    print(f"{'workers':>7}  {'load':24}  {'Redis':7}", *(f"{name:>12}" for name in TENANTS))
    for scenario in scenarios:
        admitted = play(scenario, seconds)
        ratios = [
            admitted[name] / seconds / (limits.calls_per_second or limits.rows_per_second or 0)
            for name, limits in TENANTS.items()
        ]
        load = " ".join(f"{part:.0%}" for part in scenario.parts)
        print(f"{len(scenario.parts):7}  {load:24}  {scenario.redis:7}", *(f"{ratio:12.4f}" for ratio in ratios))


def main() -> None:
    """Runs the command line; with an offer it is a worker."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--offer", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.offer is None:
        measure_costs()
        print_ratios(SCENARIOS, chosen.seconds)
    else:
        print(json.dumps(take_part(Offer(**json.loads(chosen.offer)))))


if __name__ == "__main__":
    main()
