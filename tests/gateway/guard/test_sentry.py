"""A real guard beside real sheets: it finds what is at fault in time, outlives workers, and leaves nothing behind."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2
from structlog.testing import capture_logs

from gateway.experiments import Halted
from gateway.guard.sentry import Sentry
from gateway.guard.verdicts import Verdicts, halted_of, path_of, read_folder, write_verdict
from gateway.telemetry.families import HALTED
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.sheet import open_sheet
from gateway.telemetry.told import gauges_of
from gateway.telemetry.trials import Trials
from tests.catalog.valkey import running
from tests.gateway.guard.arms import Behaviour
from tests.gateway.guard.models import TRIAL, calling, come_until, guards, halted, model

KEY = "gapura:catalog"
WORKER = """
import asyncio, sys
from pathlib import Path
from gateway.guard.sentry import Sentry
from gateway.guard.verdicts import Verdicts
from tests.gateway.guard.models import TRIAL, model
folder = Path(sys.argv[1])
sentry = Sentry(folder, folder / "verdicts", Verdicts(folder / "verdicts"), None, "key")
sentry.tell({"team_model": model("team_model", TRIAL)})
async def run():
    running = asyncio.create_task(sentry.run())
    while sentry.process is None:
        await asyncio.sleep(0.01)
    print(sentry.process.pid, flush=True)
    await running
asyncio.run(run())
"""


@asynccontextmanager
async def watching(folder: Path, redis: str | None = None) -> AsyncIterator[tuple[Sentry, Verdicts]]:
    """Runs a sentry, and follows verdicts."""
    verdicts = Verdicts(folder / "verdicts")
    sentry = Sentry(folder, folder / "verdicts", verdicts, redis, KEY)
    tasks = [asyncio.create_task(sentry.run()), asyncio.create_task(verdicts.follow(lambda _: None))]
    try:
        yield sentry, verdicts
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def write(folder: Path, what: Halted, reason: str = "error_rate: because") -> catalog_pb2.Verdict:
    verdict = catalog_pb2.Verdict(**what._asdict(), reason=reason)
    write_verdict(folder / "verdicts", verdict)
    return verdict


def ended(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


@pytest.mark.parametrize(
    ("guardrail", "fault"),
    [
        ("error_rate", Behaviour(50, errors=0.05)),
        ("latency_ratio", Behaviour(50, slower=3.0)),
        ("score_shift", Behaviour(50, shift=0.2)),
    ],
)
async def test_an_arm_at_fault_has_its_verdict_within_ten_seconds_and_another_has_none(
    guardrail: str, fault: Behaviour, tmp_path: Path
) -> None:
    trials = Trials(Instruments(open_sheet(tmp_path, "gateway")))
    models = {name: model(name, TRIAL) for name in ("faulty", "equal")}
    champion = Behaviour(200)
    both = (
        calling(trials, models["faulty"], {"champion": champion, "challenger": fault}, seed=1),
        calling(trials, models["equal"], {"champion": champion, "challenger": Behaviour(50)}, seed=2),
    )
    async with watching(tmp_path) as (sentry, verdicts):
        sentry.tell(models)
        await come_until(lambda: guards(sentry) is not None, 10)
        await come_until(lambda: bool(verdicts.live), 10, *both)
        assert verdicts.live == {halted("faulty")}
        ((_, verdict),) = read_folder(tmp_path / "verdicts", lambda *_: None)
        assert verdict.reason.startswith(f"{guardrail}: within ")
        assert abs(verdict.at.seconds - (tmp_path / "verdicts").stat().st_mtime) < 2
        gauges = {
            labels: value for family, labels, value in gauges_of({"trials": sentry.describe()}) if family is HALTED
        }
        assert gauges == {
            ("faulty", "trial", "challenger", "2"): 1.0,
            ("equal", "trial", "challenger", "2"): 0.0,
        }


async def test_a_worker_that_is_killed_takes_its_guard_along_and_another_worker_has_one_at_once(tmp_path: Path) -> None:
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, str(tmp_path), stdout=PIPE)
    assert worker.stdout is not None
    first = int(await worker.stdout.readline())
    async with watching(tmp_path) as (sentry, _):
        sentry.tell({"team_model": model("team_model", TRIAL)})
        await asyncio.sleep(1.5)
        assert sentry.process is None
        worker.kill()
        await come_until(lambda: guards(sentry) is not None, 3)
        await come_until(lambda: ended(first), 3)
        second = guards(sentry)
    await worker.wait()
    assert second is not None
    assert ended(second)


async def test_a_guard_that_ends_is_started_again_and_goes_on(tmp_path: Path) -> None:
    trials = Trials(Instruments(open_sheet(tmp_path, "gateway")))
    live = model("team_model", TRIAL)
    come = calling(trials, live, {"champion": Behaviour(200), "challenger": Behaviour(100, errors=0.5)})
    async with watching(tmp_path) as (sentry, verdicts):
        sentry.tell({live.name: live})
        await come_until(lambda: guards(sentry) is not None, 10)
        first = guards(sentry)
        assert first is not None
        with capture_logs() as logs:
            os.kill(first, signal.SIGKILL)
            await come_until(lambda: guards(sentry) not in {None, first}, 5)
        assert [entry["status"] for entry in logs] == [-9]
        await come_until(lambda: verdicts.live == {halted()}, 10, come)


async def test_there_is_no_guard_where_nothing_is_watched(tmp_path: Path) -> None:
    paused = replace(TRIAL, is_running=False)
    unguarded = replace(TRIAL, guardrails=None)
    stopped = replace(TRIAL, halts={"challenger": "errors"})
    async with watching(tmp_path) as (sentry, _):
        for experiments in ((), (paused,), (unguarded,), (stopped,)):
            sentry.tell({"team_model": model("team_model", *experiments)})
            await asyncio.sleep(0.3)
            assert sentry.process is None
        sentry.tell({"team_model": model("team_model", TRIAL)})
        await come_until(lambda: guards(sentry) is not None, 5)
        running_guard = guards(sentry)
        sentry.tell({"team_model": model("team_model")})
        await come_until(lambda: sentry.process is None, 5)
        assert running_guard is not None
        assert ended(running_guard)


async def test_verdicts_that_are_void_are_removed_and_those_that_count_stay(tmp_path: Path) -> None:
    write(tmp_path, halted("asked_again", "r0"))
    write(tmp_path, halted("counts"))
    write(tmp_path, halted("not_live"))
    write(tmp_path, halted("stopped"))
    async with watching(tmp_path) as (sentry, verdicts):
        await come_until(lambda: len(verdicts.live) == 4, 5)
        sentry.tell(
            {"asked_again": model("asked_again", TRIAL), "counts": model("counts", TRIAL), "stopped": model("stopped")}
        )
        await come_until(lambda: len(list((tmp_path / "verdicts").iterdir())) == 2, 10)
    assert [halted_of(each) for _, each in read_folder(tmp_path / "verdicts", lambda *_: None)] == [
        halted("counts"),
        halted("not_live"),
    ]


async def test_verdicts_are_in_redis_too_even_if_it_comes_later_and_are_removed_there_when_void(tmp_path: Path) -> None:
    with running() as valkey:
        valkey.kill()
        told = write(tmp_path, halted())
        write(tmp_path, halted("other"))
        async with watching(tmp_path, valkey.url()) as (sentry, _):
            live = {name: model(name, TRIAL) for name in ("team_model", "other")}
            sentry.tell(live)
            await come_until(lambda: guards(sentry) is not None, 5)
            await asyncio.sleep(1)
            valkey.start()
            await come_until(lambda: valkey.do("HLEN", f"{KEY}:verdicts") == 2, 10)
            assert valkey.do("HGET", f"{KEY}:verdicts", "team_model/trial/challenger") == told.SerializeToString()
            valkey.do("HSET", f"{KEY}:verdicts", "other/trial/challenger", "of another gateway")
            sentry.tell({name: model(name, replace(TRIAL, revision="r2")) for name in live})
            await come_until(lambda: valkey.do("HLEN", f"{KEY}:verdicts") == 1, 10)
            assert valkey.do("HKEYS", f"{KEY}:verdicts") == [b"other/trial/challenger"]


async def test_files_of_verdicts_are_followed_and_a_broken_one_is_told_once(tmp_path: Path) -> None:
    verdicts, heard = Verdicts(tmp_path / "verdicts"), list[frozenset[Halted]]()
    with capture_logs() as logs:
        following = asyncio.create_task(verdicts.follow(heard.append))
        await asyncio.sleep(0.2)
        assert not heard
        write(tmp_path, halted())
        (tmp_path / "verdicts/broken.binpb").write_bytes(b"\xff\xff")
        await come_until(lambda: bool(heard), 2)
        write(tmp_path, halted("other"))
        await come_until(lambda: len(heard) == 2, 2)
        following.cancel()
    assert heard == [{halted()}, {halted(), halted("other")}]
    assert [Path(entry["path"]).name for entry in logs] == ["broken.binpb"]


async def test_a_verdict_whose_file_the_hub_has_taken_counts_until_the_catalog_says_the_same(tmp_path: Path) -> None:
    write(tmp_path, halted())
    verdicts = Verdicts(tmp_path / "verdicts", linger_seconds=1.0)
    following = asyncio.create_task(verdicts.follow(lambda _: None))
    await come_until(lambda: bool(verdicts.live), 2)
    path_of(tmp_path / "verdicts", halted()).unlink()
    await asyncio.sleep(0.5)
    assert verdicts.live == {halted()}
    await come_until(lambda: not verdicts.live, 6)
    following.cancel()
