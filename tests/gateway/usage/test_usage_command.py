"""`gapura usage`: the bill of a month, whoever reads it."""

import asyncio
import csv
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from gateway.commands.usage import usage
from gateway.usage.book import UsageBook
from gateway.usage.chargeback import merge
from gateway.usage.copying import UsageCopies
from gateway.usage.layout import Counts
from gateway.usage.reading import Charge, UsageFolder
from tests.catalog.valkey import running

TABLE = """\
day         tenant  team   model                 calls   rows  backend_ms  feature_hits
2021-11-01  acme    team1  team1_churn               1  1,000       0.250             0
2021-11-29  acme    team3  team3_credit_scoring      2     20   2,469.136            14
2021-11-29  globex  team3  team3_credit_scoring      1     10   1,234.568             7
total                                                4  1,030   3,703.954            21
"""


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Takes back how the command logs."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Usage of November 2021, from two processes, and of the days around it."""
    for day, tenant, model, rows, seconds, hits in (
        ((2021, 10, 31), "acme", "team1_churn", 1, 1.0, 1),
        ((2021, 11, 1), "acme", "team1_churn", 1000, 0.000_25, 0),
        ((2021, 11, 29), "acme", "team3_credit_scoring", 10, 1.234_567_89, 7),
        ((2021, 11, 29), "acme", "team3_credit_scoring", 10, 1.234_567_89, 7),
        ((2021, 11, 29), "globex", "team3_credit_scoring", 10, 1.234_567_89, 7),
        ((2021, 12, 1), "acme", "team1_churn", 1, 1.0, 1),
    ):
        noon = datetime(*day, 12, tzinfo=UTC).timestamp()
        UsageBook(tmp_path / "usage", lambda noon=noon: noon).charge(tenant, model, rows, seconds, hits)  # type: ignore[misc] # bound now
    return tmp_path / "usage"


def run(folder: Path, *arguments: str, redis: str = "") -> Result:
    """Runs the command."""
    return CliRunner().invoke(usage, arguments, env={"GAPURA_USAGE": str(folder), "GAPURA_REDIS_URL": redis})


def test_a_month_has_a_line_for_each_day_tenant_team_and_model(folder: Path) -> None:
    done = run(folder, "--month", "2021-11")
    assert (done.exit_code, done.output) == (0, TABLE)


def test_csv_tells_nanoseconds_and_no_total(folder: Path) -> None:
    lines = list(csv.DictReader(StringIO(run(folder, "--month", "2021-11", "--format", "csv").output)))
    assert len(lines) == 3
    assert lines[1] == {
        "day": "2021-11-29",
        "tenant": "acme",
        "team": "team3",
        "model": "team3_credit_scoring",
        "calls": "2",
        "rows": "20",
        "backend_ms": "2469.13578",
        "feature_hits": "14",
    }


def test_json_tells_lines_and_total(folder: Path) -> None:
    bill = json.loads(run(folder, "--month", "2021-11", "--by", "team", "--format", "json").output)
    assert bill == {
        "first_day": "2021-11-01",
        "last_day": "2021-11-30",
        "lines": [
            {"team": "team1", "calls": 1, "rows": 1000, "backend_ms": 0.25, "feature_hits": 0},
            {"team": "team3", "calls": 3, "rows": 30, "backend_ms": 3703.70367, "feature_hits": 21},
        ],
        "total": {"calls": 4, "rows": 1030, "backend_ms": 3703.95367, "feature_hits": 21},
    }


def test_a_day_a_tenant_and_dimensions_can_be_chosen(folder: Path) -> None:
    chosen = ("--by", "model", "--by", "tenant", "--format", "csv")
    assert run(folder, "--day", "2021-11-29", "--tenant", "globex", *chosen).output == (
        "tenant,model,calls,rows,backend_ms,feature_hits\nglobex,team3_credit_scoring,1,10,1234.56789,7\n"
    )


def test_the_current_month_is_the_default(folder: Path) -> None:
    UsageBook(folder).charge("initech", "team2_x", 1, 0.001)
    assert f"{datetime.now(UTC).date()}  initech" in run(folder).output


def test_a_month_without_usage_says_so(folder: Path) -> None:
    assert run(folder, "--month", "2024-02").output == "nothing was used from 2024-02-01 to 2024-02-29 (UTC)\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--month", "2021-13"),
        ("--month", "November"),
        ("--month", "2021-1"),
        ("--month", "2021-11-29"),
        ("--day", "2021-11"),
        ("--day", "20211129"),
        ("--month", "2021-11", "--day", "2021-11-29"),
    ],
)
def test_what_is_no_date_is_refused(folder: Path, arguments: tuple[str, ...]) -> None:
    done = run(folder, *arguments)
    assert done.exit_code == 2
    assert "YYYY-MM" in done.output or "choose --month or --day" in done.output


async def test_machines_are_billed_together_and_nothing_twice(folder: Path, tmp_path: Path) -> None:
    UsageBook(tmp_path / "other").charge("acme", "team3_credit_scoring", 5, 0.001)
    UsageBook(folder).charge("acme", "team3_credit_scoring", 7, 0.001)
    with running() as valkey:
        for machine in (folder, tmp_path / "other"):
            task = asyncio.create_task(UsageCopies(valkey.url(), machine).run())
            await asyncio.sleep(0.3)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        UsageBook(folder).charge("acme", "team3_credit_scoring", 100, 0.001)  # not copied yet
        arguments = ("--complete", "--by", "model", "--format", "csv")
        done = await asyncio.to_thread(run, folder, *arguments, redis=valkey.url())
    assert done.output.splitlines()[1:] == ["team3_credit_scoring,3,112,3.0,0"]


def test_a_redis_that_is_away_is_told_beside_the_bill(folder: Path) -> None:
    done = run(folder, "--month", "2021-11", redis="redis://:secret@127.0.0.1:1")
    assert (done.exit_code, done.stdout) == (0, TABLE)
    assert done.stderr.startswith("Only the usage of this machine: GAPURA_REDIS_URL: Redis at 127.0.0.1:1")
    assert "secret" not in done.output


@pytest.mark.parametrize("redis", ["redis://127.0.0.1:1", ""])
def test_a_bill_that_is_to_be_complete_needs_redis(folder: Path, redis: str) -> None:
    done = run(folder, "--month", "2021-11", "--complete", redis=redis)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "GAPURA_REDIS_URL" in done.stderr


def test_damage_is_told_beside_the_bill(folder: Path) -> None:
    (folder / "2021-11-29.host.1-ab.usage").write_text(
        "no usage file, and longer than the header of one would be, by far"
    )
    done = run(folder, "--month", "2021-11")
    assert (done.exit_code, done.stdout) == (0, TABLE)
    assert "no usage file" in done.stderr


def test_a_charge_that_both_have_counts_once_as_it_is_later(folder: Path) -> None:
    charges = list(UsageFolder(folder).charges())
    later = charges[0]
    earlier = Charge(later.day, later.source, later.tenant, later.model, Counts(1, 0, 5, 0))
    for both in ([earlier, *charges], [*charges, earlier]):
        assert sorted(merge(both), key=str) == sorted(charges, key=str)
