"""Copies in a real Valkey: they add up over machines, and writing them twice changes nothing."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from pathlib import Path

import pytest
import structlog.testing

from gateway.errors import ConfigurationError
from gateway.usage.book import UsageBook
from gateway.usage.copies import key_of, read_copies
from gateway.usage.copying import UsageCopies, first_day
from gateway.usage.layout import Counts
from tests.catalog.valkey import Valkey, running
from tests.gateway.usage.sums import total

TODAY = datetime.now(UTC).date()
MODEL = "team3_credit_scoring"
COPYING = """
import asyncio, sys
from pathlib import Path
from gateway.usage.copying import UsageCopies
asyncio.run(UsageCopies(sys.argv[1], Path(sys.argv[2]), every_seconds=0.05).run())
"""


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """Runs a server."""
    with running() as server:
        yield server


@asynccontextmanager
async def copying(valkey: Valkey, folder: Path) -> AsyncIterator[None]:
    """Copies a folder."""
    task = asyncio.create_task(UsageCopies(valkey.url(), folder, every_seconds=0.05).run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def start_copying(valkey: Valkey, folder: Path) -> subprocess.Popen[bytes]:
    """Copies a folder in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", COPYING, valkey.url(), str(folder)])


async def copied(valkey: Valkey) -> Counts:
    """Returns the sum of what is in Redis."""
    charges = await read_copies(valkey.url(), first_day(), TODAY + timedelta(1))
    return reduce(Counts.plus, (charge.counts for charge in charges), Counts())


async def wait_for(valkey: Valkey, expected: Counts) -> None:
    """Waits until Redis has what is expected."""
    async with asyncio.timeout(30):
        while await copied(valkey) != expected:
            await asyncio.sleep(0.02)


async def test_machines_add_up(valkey: Valkey, tmp_path: Path) -> None:
    books = [UsageBook(tmp_path / name) for name in ("one", "two")]
    async with copying(valkey, tmp_path / "one"), copying(valkey, tmp_path / "two"):
        for number in range(2000):
            books[number % 2].charge(f"tenant-{number % 900}", MODEL, 2, 0.001, 1)
            if not number % 100:
                await asyncio.sleep(0.005)
        await wait_for(valkey, Counts(2000, 4000, 2_000_000_000, 2000))


async def test_the_last_calls_are_copied_when_it_stops(valkey: Valkey, tmp_path: Path) -> None:
    book = UsageBook(tmp_path)
    async with copying(valkey, tmp_path):
        await asyncio.sleep(0.1)
        book.charge("acme", MODEL, 1, 0.001)
    assert (await copied(valkey)).calls == 1


async def test_copying_again_counts_nothing_twice(valkey: Valkey, tmp_path: Path) -> None:
    book = UsageBook(tmp_path)
    for _ in range(3):
        book.charge("acme", MODEL, 1, 0.001)
        async with copying(valkey, tmp_path), copying(valkey, tmp_path):
            await wait_for(valkey, total(tmp_path))
    assert (await copied(valkey)).calls == 3


@pytest.mark.parametrize("loss", ["restart", "flush", "old values"])
async def test_what_redis_lost_is_written_again(valkey: Valkey, tmp_path: Path, loss: str) -> None:
    yesterday = UsageBook(tmp_path, lambda: datetime.now(UTC).timestamp() - 86_400)
    today = UsageBook(tmp_path)
    for book in (yesterday, today):
        book.charge("acme", MODEL, 1, 0.001)
    yesterday.close()
    async with copying(valkey, tmp_path):
        await wait_for(valkey, total(tmp_path))
        if loss == "restart":
            valkey.kill()
            today.charge("acme", MODEL, 1, 0.001)
            valkey.start()
        elif loss == "flush":
            valkey.do("FLUSHALL")
        else:
            fields = valkey.do("HKEYS", key_of("gapura:usage", TODAY))
            valkey.do("HSET", key_of("gapura:usage", TODAY), fields[0], "0,0,0,0")
        await wait_for(valkey, total(tmp_path))
    assert (await copied(valkey)).calls == (3 if loss == "restart" else 2)


async def test_a_redis_that_is_away_is_told_once_and_misses_nothing(valkey: Valkey, tmp_path: Path) -> None:
    valkey.kill()
    book = UsageBook(tmp_path)
    with structlog.testing.capture_logs() as logged:
        async with copying(valkey, tmp_path):
            for _ in range(10):
                book.charge("acme", MODEL, 1, 0.001)
                await asyncio.sleep(0.03)
            valkey.start()
            await wait_for(valkey, total(tmp_path))
    assert [entry["event"] for entry in logged] == [
        "usage is not copied to Redis; the files keep it",
        "usage is copied to Redis",
    ]


async def test_a_redis_that_hangs_holds_up_no_stop(valkey: Valkey, tmp_path: Path) -> None:
    UsageBook(tmp_path).charge("acme", MODEL, 1, 0.001)
    valkey.freeze()
    async with asyncio.timeout(20), copying(valkey, tmp_path):
        await asyncio.sleep(0.1)
    valkey.thaw()


async def test_one_process_copies_for_all_until_it_is_killed(valkey: Valkey, tmp_path: Path) -> None:
    book = UsageBook(tmp_path)
    book.charge("acme", MODEL, 1, 0.001)
    first = start_copying(valkey, tmp_path)
    await wait_for(valkey, total(tmp_path))
    async with copying(valkey, tmp_path):
        await asyncio.sleep(0.1)
        first.send_signal(signal.SIGSTOP)
        book.charge("acme", MODEL, 1, 0.001)
        await asyncio.sleep(0.3)
        assert (await copied(valkey)).calls == 1
        first.kill()
        first.wait()
        await wait_for(valkey, total(tmp_path))


async def test_a_folder_that_is_replaced_is_copied(valkey: Valkey, tmp_path: Path) -> None:
    folder = tmp_path / "usage"
    async with copying(valkey, folder):
        await asyncio.sleep(0.1)
        UsageBook(folder).charge("acme", MODEL, 1, 0.001)
        await wait_for(valkey, Counts(1, 1, 1_000_000, 0))
        folder.rename(tmp_path / "elsewhere")
        UsageBook(folder).charge("acme", MODEL, 1, 0.001)
        await wait_for(valkey, Counts(2, 2, 2_000_000, 0))


async def test_old_months_are_left_alone_and_days_expire(valkey: Valkey, tmp_path: Path) -> None:
    old = datetime(2020, 1, 31, tzinfo=UTC).timestamp()
    UsageBook(tmp_path, lambda: old).charge("acme", MODEL, 1, 0.001)
    UsageBook(tmp_path).charge("acme", MODEL, 1, 0.001)
    async with copying(valkey, tmp_path):
        await asyncio.sleep(0.2)
    assert valkey.do("KEYS", "*") == [key_of("gapura:usage", TODAY).encode()]
    assert 398 * 86_400 < valkey.do("TTL", key_of("gapura:usage", TODAY)) <= 400 * 86_400


async def test_fields_of_others_are_left_alone(valkey: Valkey) -> None:
    key = key_of("gapura:usage", date(2026, 11, 29))
    for field, value in (("x", "1,2,3,4"), ("s|t|m", "1,2"), ("s|t|m|n", "1,2,3,4"), ("s|t|o", "a,b,c,d")):
        valkey.do("HSET", key, field, value)
    with structlog.testing.capture_logs() as logged:
        (charge,) = await read_copies(valkey.url(), date(2026, 11, 29), date(2026, 11, 29))
    assert (charge.model, charge.counts) == ("m|n", Counts(1, 2, 3, 4))
    assert len(logged) == 3


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="GAPURA_REDIS_URL") as refused:
        UsageCopies("http://user:secret@host", tmp_path)
    assert "secret" not in str(refused.value)
