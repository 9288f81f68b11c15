"""The book: each answered call is charged once, whatever happens to the process, the disk and the day."""

import math
import shutil
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path

import structlog.testing

from gateway.usage.book import UsageBook
from gateway.usage.layout import Counts
from gateway.usage.reading import UsageFolder
from tests.gateway.usage.charging import HITS, ROWS, SECONDS, start
from tests.gateway.usage.sums import total

NOON = 1_795_953_600.0  # 2026-11-29T12:00:00Z
MODEL = "team3_credit_scoring"


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        """Tells the time."""
        return self.now


def counts_of(calls: int) -> Counts:
    """Returns what the calls of a charging process come to."""
    return Counts(calls, calls * ROWS, calls * round(SECONDS * 1e9), calls * HITS)


def test_what_a_call_used_is_counted_to_the_nanosecond(tmp_path: Path) -> None:
    book = UsageBook(tmp_path / "usage", Clock())
    for _ in range(100_000):
        book.charge("acme", MODEL, 2, 0.000_000_3, 5)
    (charge,) = UsageFolder(tmp_path / "usage").charges()
    assert (charge.day, charge.tenant, charge.model) == (date(2026, 11, 29), "acme", MODEL)
    assert charge.counts == Counts(100_000, 200_000, 30_000_000, 500_000)
    assert charge.backend_seconds == 0.03


def test_only_the_owner_may_read_usage(tmp_path: Path) -> None:
    UsageBook(tmp_path / "usage").charge("acme", MODEL, 1, 0.1)
    (file,) = (tmp_path / "usage").iterdir()
    assert stat.S_IMODE((tmp_path / "usage").stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_processes_that_charge_at_once_lose_nothing_though_one_is_killed(tmp_path: Path) -> None:
    others = [start(tmp_path, 20_000) for _ in range(3)]
    victim = start(tmp_path, 0)
    assert victim.stdout is not None
    told = len(victim.stdout.read(5000))
    victim.kill()
    told += len(victim.stdout.read())
    victim.communicate()
    assert [len(other.communicate()[0]) for other in others] == [20_000] * 3
    found: dict[str, Counts] = {}
    for charge in UsageFolder(tmp_path).charges():
        found[charge.source] = found.get(charge.source, Counts()).plus(charge.counts)
    killed = found.pop(next(source for source in found if f".{victim.pid}-" in source))
    assert list(found.values()) == [counts_of(20_000)] * 3
    assert told <= killed.calls <= told + 1
    for whole, begun, counted in zip(counts_of(killed.calls), counts_of(killed.calls + 1), killed, strict=True):
        assert counted in {whole, begun}


def test_a_call_after_midnight_is_one_of_the_next_day(tmp_path: Path) -> None:
    clock = Clock()
    book = UsageBook(tmp_path, clock)
    for clock.now in (NOON, NOON + 43_199.9, NOON + 43_200, NOON + 43_201):
        book.charge("acme", MODEL, 1, 0.25)
    found = {charge.day: charge.counts.calls for charge in UsageFolder(tmp_path).charges()}
    assert found == {date(2026, 11, 29): 2, date(2026, 11, 30): 2}


def test_a_file_of_yesterday_is_finished_and_that_of_today_is_not(tmp_path: Path) -> None:
    clock = Clock()
    book = UsageBook(tmp_path, clock)
    for clock.now in (NOON, NOON + 43_200):
        book.charge("acme", MODEL, 1, 0.25)
    assert [file.is_finished() for file in UsageFolder(tmp_path).files()] == [True, False]
    book.close()
    assert [file.is_finished() for file in UsageFolder(tmp_path).files()] == [True, True]


def test_a_clock_that_is_set_back_charges_the_day_it_tells(tmp_path: Path) -> None:
    clock = Clock()
    book = UsageBook(tmp_path, clock)
    for clock.now in (NOON + 86_400, NOON, NOON + 1):
        book.charge("acme", MODEL, 1, 0.25)
    found = [(str(charge.day), charge.counts.calls) for charge in UsageFolder(tmp_path).charges()]
    assert found == [("2026-11-29", 2), ("2026-11-30", 1)]


def test_a_file_takes_as_many_tenants_as_come(tmp_path: Path) -> None:
    book = UsageBook(tmp_path)
    for _ in range(2):
        for number in range(30_000):
            book.charge(f"tenant-{number}", f"team{number % 7}_model", number, 0.001)
    found = {charge.tenant: charge.counts for charge in UsageFolder(tmp_path).charges()}
    assert len(found) == 30_000
    assert all(counts[:3] == (2, 2 * int(tenant[7:]), 2_000_000) for tenant, counts in found.items())


def test_names_of_any_length_and_alphabet_are_told_apart(tmp_path: Path) -> None:
    names = ["ц" * 256, "x" * 5000 + "a", "x" * 5000 + "b", "", "\ud800"]
    book = UsageBook(tmp_path)
    for name in names:
        book.charge("acme", name, 1, 0.001)
    found = [charge.model for charge in UsageFolder(tmp_path).charges()]
    assert found[0] == names[0]
    assert len(set(found)) == 5
    assert found[3:] == ["-", "?"]


def test_calls_are_counted_in_memory_until_the_folder_can_be_written(tmp_path: Path) -> None:
    clock = Clock()
    obstacle = tmp_path / "var"
    obstacle.write_text("a file where the folder should be")
    book = UsageBook(obstacle / "usage", clock)
    with structlog.testing.capture_logs() as logged:
        for clock.now in (NOON, NOON + 1, NOON + 20, NOON + 86_400, NOON + 86_420):
            book.charge("acme", MODEL, 1, 0.25)
            book.charge("globex", MODEL, 1, 0.25)
        obstacle.unlink()
        clock.now += 5
        book.charge("acme", MODEL, 1, 0.25)
        assert total(obstacle / "usage").calls == 0
        clock.now += 10
        book.charge("acme", MODEL, 1, 0.25)
    found = [
        (charge.day.day, charge.tenant, charge.counts.calls) for charge in UsageFolder(obstacle / "usage").charges()
    ]
    assert found == [(29, "acme", 3), (29, "globex", 3), (30, "acme", 4), (30, "globex", 2)]
    assert [entry["event"] for entry in logged] == ["usage is in memory alone", "usage is written again"]


def test_a_full_disk_ends_no_process_and_loses_no_call(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.gateway.usage.crowded", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second, last = map(int, ended.stdout.splitlines()[-1].strip("[]").split(","))
    assert 300 < first < 1000
    assert second == 2 * first
    assert last == 3000


def test_space_is_allocated_before_it_is_used(tmp_path: Path) -> None:
    book = UsageBook(tmp_path)
    for number in range(1000):
        book.charge(f"tenant-{number}", MODEL, 1, 0.001)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_blocks * 512 >= file.stat().st_size > 70_000


def test_usage_that_is_lost_is_told_when_the_book_is_closed(tmp_path: Path) -> None:
    obstacle = tmp_path / "var"
    obstacle.touch()
    book = UsageBook(obstacle / "usage")
    for _ in range(3):
        book.charge("acme", MODEL, 1, 0.25)
    with structlog.testing.capture_logs() as logged:
        book.close()
    assert [entry["calls"] for entry in logged if entry["event"] == "usage is lost"] == [3]


def test_a_folder_that_is_removed_comes_back_with_all_it_had(tmp_path: Path) -> None:
    clock = Clock()
    folder = tmp_path / "usage"
    book = UsageBook(folder, clock)
    book.charge("acme", MODEL, 1, 0.25)
    (before,) = UsageFolder(folder).charges()
    shutil.rmtree(folder)
    book.charge("acme", MODEL, 1, 0.25)
    clock.now += 11
    book.charge("acme", MODEL, 1, 0.25)
    (after,) = UsageFolder(folder).charges()
    assert after.source == before.source
    assert after.counts == Counts(3, 3, 750_000_000, 0)


def test_a_charge_that_makes_no_sense_fails_no_call(tmp_path: Path) -> None:
    book = UsageBook(tmp_path)
    with structlog.testing.capture_logs() as logged:
        for seconds in (math.nan, math.inf, -1.0):
            book.charge("acme", MODEL, 1, seconds)
        book.charge("acme", MODEL, 1, 0.5)
    assert [entry["event"] for entry in logged] == ["a call is not charged"]
    assert total(tmp_path).backend_ns == 500_000_000
