"""What ten thousand tenants cost: admission of a call, the start, a reload while calls go on, and refusals.

    python -m benchmarks.tenants [--tenants 10000]

Everything runs in this process, without a network. Every admission is verified before it is timed.
"""

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from random import Random

from gateway.calls import Call
from gateway.errors import Unauthenticated
from gateway.membership import Membership
from gateway.process import calm_collector
from gateway.tenancy.changing import changing_tenants, dump
from gateway.tenancy.directory import Directory
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants
from gateway.tenancy.quotas.accounts import Accounts
from gateway.usage.book import UsageBook

ROUNDS, CALLS, CONCURRENCY, GUESSES = 9, 20_000, 64, 1_000
PAUSE_SECONDS = 0.2
PATH = "/erpml.finance.v1.CreditService/ScoreCredit"
MODEL = "team3_credit_scoring"
MICRO = 1e6


def write(path: Path, count: int) -> list[str]:
    """Writes a file of tenants, each with limits of its own; returns their keys."""
    keys, policies = [], []
    for number in range(count):
        key, hashed = new_key()
        keys.append(key)
        policies.append(
            TenantPolicy(
                name=f"tenant-{number}",
                models=(f"team{number % 7 + 1}_*", MODEL),
                services=("erpml.*", "inference.GRPCInferenceService"),
                calls_per_second=1e6,
                rows_per_second=1e7,
                concurrency=CONCURRENCY,
                max_message_bytes=1 << 20,
                keys=(KeyEntry.of(hashed),),
            )
        )
    path.write_text(dump(Tenants(tenants=tuple(policies))))
    return keys


def microseconds(work: Callable[[], None], times: int) -> float:
    """Returns the median of rounds of some work, in microseconds a time."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        rounds.append((time.perf_counter() - began) / times * MICRO)
    return statistics.median(rounds)


async def lateness(seconds: float) -> list[float]:
    """Returns how late the loop was each time that it was to wake up, in milliseconds."""
    late, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append((time.perf_counter() - began - 0.001) * 1000)
    return late


async def measure(folder: Path, count: int) -> None:
    """Measures, and prints what it found."""
    path, book = folder / "tenants.yaml", UsageBook(folder / "usage")
    keys = write(path, count)
    members = Membership(path, Accounts(), book, certified=False)
    began = time.perf_counter()
    await members.start()
    print(f"start with {count} tenants                {time.perf_counter() - began:8.2f} s")
    calm_collector()

    directory, random = members.directory, Random(1)  # noqa: S311 - the same calls every time
    message = b"x" * 200
    calls = [Call(message, random.choice(keys), None, path=PATH) for _ in range(CALLS)]
    named = {key: f"tenant-{number}" for number, key in enumerate(keys)}
    for call in calls:
        with directory.admit(call) as tenant:
            assert tenant.name == named[str(call.api_key)]
            directory.authorise(tenant, MODEL)

    measure_admissions(directory, calls)
    compare_refusals(directory, keys, random)
    await reload(members, path)
    book.close()


def measure_admissions(directory: Directory, calls: list[Call]) -> None:
    """Admits calls, and refuses some of them with keys that are wrong; prints what it costs."""

    def admit() -> None:
        for call in calls:
            with directory.admit(call):
                pass

    def admit_to_model() -> None:
        for call in calls:
            with directory.admit(call) as tenant:
                directory.authorise(tenant, MODEL)

    def admit_and_charge() -> None:
        for call in calls:
            with directory.admit(call) as tenant:
                directory.authorise(tenant, MODEL)
                tenant.take_rows(1)
                tenant.charge(MODEL, 1, 0.001)

    def refuse() -> None:
        for call in wrong:
            try:
                directory.admit(call)
            except Unauthenticated:
                continue
            raise AssertionError

    wrong = [call._replace(api_key=f"{call.api_key}x") for call in calls[:2000]]
    print(f"admission of a call                       {microseconds(admit, CALLS):8.2f} us")
    print(f"  to a model                              {microseconds(admit_to_model, CALLS):8.2f} us")
    print(f"  with its rows and its charge            {microseconds(admit_and_charge, CALLS):8.2f} us")
    print(f"refusal of a key whose id is known        {microseconds(refuse, len(wrong)):8.2f} us")


def compare_refusals(directory: Directory, keys: list[str], random: Random) -> None:
    """Refuses keys that are wrong altogether and keys of which all is right but the end, in a random order."""
    guesses = {"made up": [new_key()[0] for _ in range(GUESSES)], "right but its end": []}
    guesses["right but its end"] = [f"{key[:-4]}{new_key()[0][-4:]}" for key in random.sample(keys, GUESSES)]
    order = [(kind, Call(b"", key, None, path=PATH)) for kind, made in guesses.items() for key in made]
    random.shuffle(order)
    took: dict[str, list[float]] = {kind: [] for kind in guesses}
    for kind, call in order:
        began = time.perf_counter()
        try:
            directory.admit(call)
        except Unauthenticated:
            took[kind].append((time.perf_counter() - began) * MICRO)
    assert all(len(each) == GUESSES for each in took.values())
    made_up, right = map(sorted, took.values())
    longer = sum(bisect_left(made_up, each) for each in right) / GUESSES**2
    medians = f"{statistics.median(made_up):6.2f} / {statistics.median(right):.2f}"
    print(f"refusal of keys made up / right but the end {medians} us")
    print(f"  chance that the second takes longer     {longer:8.3f}, of 0.5 where nothing tells them apart")


async def reload(members: Membership, path: Path) -> None:
    """Changes one tenant, and then all, while the loop is watched."""
    for what, change, watched_seconds in (
        ("one tenant changed", change_one, 1.0),
        ("all tenants changed", change_all, 4.0),
    ):
        change(path)
        gc.collect()
        watch = asyncio.create_task(lateness(watched_seconds))
        await asyncio.sleep(PAUSE_SECONDS)
        began = time.perf_counter()
        await members._read()  # noqa: SLF001 - what a change of the file starts
        took_ms = (time.perf_counter() - began) * 1000
        print(f"reload, {what:20}              {took_ms:8.0f} ms, loop late by {max(await watch):.1f} ms at most")


def change_one(path: Path) -> None:
    """Gives one tenant another right."""
    with changing_tenants(path) as known:
        known["tenant-77"] = known["tenant-77"].model_copy(update={"rest": False})


def change_all(path: Path) -> None:
    """Changes the text of every tenant."""
    path.write_text(path.read_text().replace(f"concurrency: {CONCURRENCY}", f"concurrency: {CONCURRENCY + 1}"))


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description="Measures the cost of many tenants.")
    parser.add_argument("--tenants", type=int, default=10_000)
    count = parser.parse_args().tenants
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), count))


if __name__ == "__main__":
    main()
