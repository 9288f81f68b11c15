"""The reader asks the store as rarely as can be, and has an answer whatever the store does."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from statistics import median

import pytest

from gateway.errors import NotFound, Unavailable
from gateway.feature_views import NO_FEATURES, Degrade, Features, FeatureStatus, FeatureView, Lookup
from gateway.features.reader import Reader
from tests.gateway.features.memory import HOUR_MS, MemorySource, view

BUDGET, STALL = 0.03, 2.0  # seconds: for so long a busy machine may do something else
STALE, DEFAULT, REFUSE = Degrade.STALE, Degrade.DEFAULT, Degrade.REFUSE


@asynccontextmanager
async def reading(*views: FeatureView, followed: bool = True) -> AsyncIterator[tuple[Reader, MemorySource]]:
    """Runs a reader of a store in memory."""
    source = MemorySource()
    reader = Reader(source, BUDGET, copies=1000, copy_seconds=60.0)
    reader.follow(views)
    if followed:
        reader.followed()
    await asyncio.sleep(0.01)
    try:
        yield reader, source
    finally:
        source.open.set()
        await reader.close()


async def one(reader: Reader, view_: FeatureView, entity: str = "c-1") -> Features:
    """Reads one entity as the pipeline does."""
    wanted = (Lookup(view_, entity),)
    (found,) = reader.peek(wanted) or await reader.fetch(wanted)
    return found


async def timed(reader: Reader, view_: FeatureView, entity: str = "c-1") -> tuple[float, Features]:
    """Reads one entity; returns in how many seconds, and what was found."""
    began = time.monotonic()
    found = await one(reader, view_, entity)
    return time.monotonic() - began, found


async def test_a_stored_row_is_fresh_and_then_at_hand() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        source.store(customers, "c-1", 1.5, "Löhne")
        found = await one(reader, customers)
        assert (found.values, found.status) == ((1.5, "Löhne"), FeatureStatus.FRESH)
        assert reader.peek((Lookup(customers, "c-1"), None)) == [found, NO_FEATURES]
        assert len(source.reads) == 1


async def test_a_thousand_callers_of_a_cold_entity_make_one_fetch() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        source.store(customers, "c-1", 1.5, "x")
        found = await asyncio.gather(*(one(reader, customers) for _ in range(1000)))
        assert {each.status for each in found} == {FeatureStatus.FRESH}
        assert source.reads == [["f:customer.1:c-1"]]


async def test_entities_of_one_tick_share_a_read() -> None:
    customers, merchants = view(), view(name="merchant")
    async with reading(customers, merchants) as (reader, source):
        wanted = (Lookup(customers, "c-1"), None, Lookup(merchants, "m-1"))
        await asyncio.gather(reader.fetch(wanted), one(reader, customers, "c-2"))
        assert source.reads == [["f:customer.1:c-1", "f:merchant.1:m-1", "f:customer.1:c-2"]]


async def test_two_reads_are_under_way_at_most_and_each_has_256_rows_at_most() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        await asyncio.gather(*(one(reader, customers, f"c-{number}") for number in range(1000)))
        assert [len(keys) for keys in source.reads] == [256, 256, 256, 232]
        assert source.most_under_way == 2


async def test_nobody_waits_longer_than_the_budget_and_a_late_row_is_of_use_to_the_next() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        source.store(customers, "c-1", 1.5, "x")
        source.open.clear()
        seconds, first = await timed(reader, customers)
        assert (first.status, first.values) == (FeatureStatus.DEFAULT, (7.0, "?"))
        assert BUDGET * 0.9 < seconds < BUDGET + STALL
        others = [await timed(reader, customers) for _ in range(9)]
        assert {each.status for _, each in others} == {FeatureStatus.DEFAULT}
        assert median(seconds for seconds, _ in others) < BUDGET / 2
        source.open.set()
        await asyncio.sleep(0.01)
        assert (await one(reader, customers)).status is FeatureStatus.FRESH
        assert len(source.reads) == 1


async def test_a_caller_that_leaves_takes_no_row_from_the_others() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        source.store(customers, "c-1", 1.5, "x")
        source.open.clear()
        calls = [asyncio.create_task(one(reader, customers)) for _ in range(3)]
        await asyncio.sleep(0.005)
        calls[0].cancel()
        source.open.set()
        assert [found.status for found in await asyncio.gather(*calls[1:])] == [FeatureStatus.FRESH] * 2


async def test_a_row_that_changes_while_it_is_read_is_not_kept() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        key = source.store(customers, "c-1", 1.0, "x")
        source.open.clear()
        call = asyncio.create_task(one(reader, customers))
        await asyncio.sleep(0.005)
        source.store(customers, "c-1", 2.0, "x")
        reader.changed([key.encode()])
        source.open.set()
        await call
        assert (await one(reader, customers)).values == (2.0, "x")


async def test_a_change_is_seen_by_the_next_call() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        assert (await one(reader, customers)).status is FeatureStatus.DEFAULT
        assert (await one(reader, customers)).status is FeatureStatus.DEFAULT
        assert len(source.reads) == 1
        key = source.store(customers, "c-1", 2.0, "x")
        reader.changed([key.encode(), b"f:other.1:c-1", b"f:customer.9:c-1"])
        assert (await one(reader, customers)).values == (2.0, "x")


async def test_without_news_of_changes_rows_are_believed_for_a_moment_only() -> None:
    customers = view()
    async with reading(customers, followed=False) as (reader, source):
        source.store(customers, "c-1", 1.0, "x")
        await one(reader, customers)
        source.store(customers, "c-1", 2.0, "x")
        await asyncio.sleep(0.03)
        assert (await one(reader, customers)).values == (2.0, "x")


@pytest.mark.parametrize(
    ("rule", "age_ms", "status", "values"),
    [
        (STALE, 0, FeatureStatus.FRESH, (1.0, "x")),
        (STALE, HOUR_MS + 1000, FeatureStatus.STALE, (1.0, "x")),
        (STALE, 2 * HOUR_MS + 1000, FeatureStatus.DEFAULT, (7.0, "?")),
        (DEFAULT, HOUR_MS + 1000, FeatureStatus.DEFAULT, (7.0, "?")),
        (REFUSE, 0, FeatureStatus.FRESH, (1.0, "x")),
        (REFUSE, HOUR_MS + 1000, FeatureStatus.REFUSED, (None, None)),
        (STALE, -5000, FeatureStatus.FRESH, (1.0, "x")),
    ],
)
async def test_age_decides_what_is_used(
    rule: Degrade, age_ms: int, status: FeatureStatus, values: tuple[object, ...]
) -> None:
    customers = view(rule)
    async with reading(customers) as (reader, source):
        source.store(customers, "c-1", 1.0, "x", age_ms=age_ms)
        for _ in range(2):
            found = await one(reader, customers)
            assert (found.status, found.values) == (status, values)
            assert (found.refusal is not None) == (status is FeatureStatus.REFUSED)
        assert len(source.reads) == 1


async def test_a_null_is_kept_and_filled_with_its_default() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        source.store(customers, "c-1", None, "x")
        found = await one(reader, customers)
        assert (found.values, found.filled) == ((None, "x"), (7.0, "x"))
        assert (found.status, found.answer_status) == (FeatureStatus.FRESH, FeatureStatus.DEFAULT)


async def test_what_a_view_that_refuses_has_not_is_an_error_of_its_own_each_time() -> None:
    customers = view(REFUSE)
    async with reading(customers) as (reader, source):
        first, second = await one(reader, customers), await one(reader, customers)
        assert isinstance(first.refusal, NotFound)
        assert first.refusal.reason == "ENTITY_UNKNOWN"
        assert first.refusal is not second.refusal
        source.away = True
        reader.lost()
        gone = await one(reader, customers)
        assert isinstance(gone.refusal, Unavailable)
        assert gone.refusal.reason == "FEATURES_UNAVAILABLE"


@pytest.mark.parametrize(("rule", "status"), [(STALE, FeatureStatus.STALE), (DEFAULT, FeatureStatus.DEFAULT)])
async def test_the_last_row_is_used_while_the_store_is_away_where_the_view_allows_it(
    rule: Degrade, status: FeatureStatus
) -> None:
    customers = view(rule)
    async with reading(customers) as (reader, source):
        source.store(customers, "c-1", 1.0, "x")
        await one(reader, customers)
        source.away = True
        reader.lost()
        assert (await one(reader, customers)).status is status
        assert (await one(reader, customers, "c-2")).status is FeatureStatus.DEFAULT
        source.away = False
        reader.followed()
        assert (await one(reader, customers)).status is FeatureStatus.FRESH


async def test_a_row_that_is_gone_is_not_used_again() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        key = source.store(customers, "c-1", 1.0, "x")
        await one(reader, customers)
        del source.rows[key]
        reader.changed([key.encode()])
        assert (await one(reader, customers)).status is FeatureStatus.DEFAULT
        source.away = True
        reader.lost()
        assert (await one(reader, customers)).status is FeatureStatus.DEFAULT


def spoil(row: bytes) -> list[bytes]:
    """Returns bytes that are no row, and rows of other schemas and formats."""
    return [b"", b"x", row[:-1], row + b"\0", b"\x02" + row[1:], row[:4] + b"abcd" + row[8:], b"\xff" * len(row)]


@pytest.mark.parametrize("which", range(7))
async def test_a_corrupt_row_is_none(which: int) -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        key = source.store(customers, "c-1", 1.0, "x")
        source.rows[key] = spoil(source.rows[key])[which]
        source.store(customers, "c-2", 2.0, "y")
        found = await reader.fetch((Lookup(customers, "c-1"), Lookup(customers, "c-2")))
        assert [each.status for each in found] == [FeatureStatus.DEFAULT, FeatureStatus.FRESH]
        assert reader.counts.corrupt == 1


async def test_other_data_goes_live_with_its_pointer() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        source.store(customers, "c-1", 1.0, "old")
        source.store(customers, "c-1", 2.0, "new", data=2)
        assert (await one(reader, customers)).values == (1.0, "old")
        assert source.prefixes == {"f:@", "f:customer.1:"}
        reader.changed([source.point(customers, 2)])
        await asyncio.sleep(0.01)
        assert (await one(reader, customers)).values == (2.0, "new")
        assert source.prefixes == {"f:@", "f:customer.2:"}


@pytest.mark.parametrize("pointer", [b"", b"7", b"{}", b'{"live": "x"}', b"\xff"])
async def test_a_pointer_that_is_none_changes_nothing(pointer: bytes) -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        source.store(customers, "c-1", 1.0, "x")
        source.rows["f:@customer"] = pointer
        reader.changed([b"f:@customer"])
        await asyncio.sleep(0.01)
        assert (await one(reader, customers)).values == (1.0, "x")


async def test_a_store_that_is_away_at_the_start_costs_no_call_its_budget() -> None:
    customers = view()
    source = MemorySource(away=True)
    reader = Reader(source, BUDGET, copies=1000, copy_seconds=60.0)
    reader.follow([customers])
    await asyncio.sleep(0.01)
    answers = [await timed(reader, customers) for _ in range(9)]
    assert {found.status for _, found in answers} == {FeatureStatus.DEFAULT}
    assert median(seconds for seconds, _ in answers) < BUDGET / 2
    assert source.reads == []
    source.away = False
    source.store(customers, "c-1", 1.0, "x")
    await asyncio.sleep(0.25)
    assert (await one(reader, customers)).status is FeatureStatus.FRESH
    await reader.close()


async def test_while_the_store_is_silent_only_probes_are_sent_and_nobody_waits_for_them() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        source.store(customers, "c-9", 1.0, "x")
        source.open.clear()
        for number in range(8):
            await asyncio.gather(*(one(reader, customers, f"a-{number}-{other}") for other in range(4)))
        answers = [await timed(reader, customers, f"b-{number}") for number in range(50)]
        assert {found.status for _, found in answers} == {FeatureStatus.DEFAULT}
        assert sum(seconds > BUDGET / 2 for seconds, _ in answers) <= 5
        assert len(source.reads) == 2
        source.open.set()
        await until(lambda: len(source.reads) > 2)
        await asyncio.sleep(0.05)
        assert (await one(reader, customers, "c-9")).status is FeatureStatus.FRESH


async def test_a_loop_that_was_late_is_no_fault_of_the_store() -> None:
    customers = view()
    async with reading(customers) as (reader, source):
        source.store(customers, "c-1", 1.0, "x")
        call = asyncio.create_task(one(reader, customers))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(2 * BUDGET)  # noqa: ASYNC251 - the loop is to be late
        assert (await call).status is FeatureStatus.FRESH


async def test_a_view_that_changes_has_rows_of_its_own() -> None:
    before, after = view(), view(columns=(*view().schema.columns[:1],))
    async with reading(before) as (reader, source):
        source.store(before, "c-1", 1.0, "x")
        await one(reader, before)
        reader.follow([after])
        assert (await one(reader, after)).status is FeatureStatus.DEFAULT
        assert (await one(reader, before)).values == (1.0, "x")


async def test_a_row_that_two_catalogs_read_at_the_same_time_is_kept_by_neither_if_it_changes() -> None:
    before, after = view(), view()
    async with reading(before) as (reader, source):
        key = source.store(before, "c-1", 1.0, "x")
        source.open.clear()
        first = asyncio.create_task(one(reader, before))
        await asyncio.sleep(0.002)
        reader.follow([after])
        second = asyncio.create_task(one(reader, after))
        await asyncio.sleep(0.002)
        source.open.set()
        await first
        source.open.clear()
        source.store(before, "c-1", 2.0, "x")
        reader.changed([key.encode()])
        source.open.set()
        await second
        assert (await one(reader, after)).values == (2.0, "x")


async def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
