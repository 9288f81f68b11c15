"""`gapura reload` replaces parts one by one, and stops at the first that does not become ready."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from gapura_deployment.front import EnvoyEdge
from gapura_envoy.settings import EdgeSettings
from gapura_supervisor.addresses import free_port
from gapura_supervisor.control import Control, give_order
from gapura_supervisor.errors import SupervisionError
from gapura_supervisor.state import Phase

from tests.e2e.serving import COMMAND
from tests.supervisor.deployments import deployed, server


def test_each_is_replaced_once_its_successor_is_ready_and_what_cannot_be_stays(tmp_path: Path) -> None:
    workers = [server(name, stage=1, next_ports=[free_port()]) for name in ("one", "two")]
    with deployed(tmp_path, server("store"), *workers) as deployment:
        deployment.wait_until_ready()
        before = {name: deployment.pid(name) for name in ("store", "one", "two")}
        said: list[str] = []
        give_order(deployment.place.control, "reload", said.append)
        after = {name: deployment.pid(name) for name in before}
        assert after["store"] == before["store"]
        assert said == [f"{name}: process {after[name]} has taken over from {before[name]}" for name in ("one", "two")]
        assert deployment.journal[3:] == [
            *("one begun", "one told to end", "one ended"),
            *("two begun", "two told to end", "two ended"),
        ]


def test_first_that_does_not_become_ready_ends_the_reload_and_the_old_stay(tmp_path: Path) -> None:
    workers = [server(name, next_ports=[free_port(), free_port()]) for name in ("one", "two")]
    with deployed(tmp_path, *workers) as deployment:
        deployment.wait_until_ready()
        before = {name: deployment.pid(name) for name in ("one", "two")}
        (tmp_path / "one.behaviours").write_text("fails")
        with pytest.raises(
            SupervisionError, match=r"^one does not become ready, exit status 1:\n(.*\n)*    one has no luck\n"
        ):
            give_order(deployment.place.control, "reload", print)
        assert {name: deployment.pid(name) for name in before} == before
        assert [part.phase for part in deployment.parts.values()] == [Phase.READY, Phase.READY]
        (tmp_path / "one.behaviours").unlink()
        give_order(deployment.place.control, "reload", print)
        assert deployment.pid("one") != before["one"]


def test_stop_during_a_reload_ends_old_and_new(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one", next_ports=[free_port()], start_seconds=60.0)) as deployment:
        deployment.wait_until_ready()
        (tmp_path / "one.behaviours").write_text("silent")
        reload = subprocess.Popen(
            [*COMMAND, "reload"], env={**os.environ, "GAPURA_VAR": str(tmp_path)}, stderr=subprocess.PIPE, text=True
        )
        while len(deployment.left) < 2:
            assert reload.poll() is None
        assert deployment.end()[0] == 0
        assert reload.communicate(timeout=10)[1] == "Error: the deployment was told to stop\n"
        assert reload.returncode == 1
        assert not deployment.left


def test_contracts_that_cannot_be_read_end_the_reload(tmp_path: Path) -> None:
    worker = f"unix:{tmp_path}/worker.sock"
    with TemporaryDirectory(prefix="edge-") as home:  # whose name is short enough for sockets
        edge = EnvoyEdge(EdgeSettings(home=Path(home), access_log=None), tmp_path, [worker])
        (tmp_path / "folder.binpb").mkdir()
        with pytest.raises(SupervisionError, match=r"the edge is as it was: .*folder\.binpb"):
            asyncio.run(edge.route([worker]))


async def test_contracts_that_cannot_be_read_are_told_once_as_they_come(tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="edge-") as home:
        edge = EnvoyEdge(EdgeSettings(home=Path(home), access_log=None), tmp_path, [f"unix:{tmp_path}/worker.sock"])
        await edge.follow()
        (tmp_path / "folder.binpb").mkdir()
        with pytest.raises(SupervisionError, match=r"the edge is as it was: .*folder\.binpb"):
            await edge.follow()
        await edge.follow()


async def test_a_defect_is_told_to_who_asked(tmp_path: Path) -> None:
    async def fail(_: Callable[[str], None]) -> None:
        raise KeyError("defect")

    control = Control(tmp_path / "control.sock", {"fail": fail})
    await control.open()
    with pytest.raises(SupervisionError, match=r"a defect: KeyError\('defect'\)"):
        await asyncio.to_thread(give_order, tmp_path / "control.sock", "fail", print)
    control.close()


@pytest.mark.parametrize("command", ["ps", "reload"])
def test_commands_say_when_nothing_runs(tmp_path: Path, command: str) -> None:
    done = subprocess.run(
        [*COMMAND, command],
        env={**os.environ, "GAPURA_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: nothing runs here ({tmp_path}/run): `gapura up` starts it\n"


def test_table_shows_every_part(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one"), server("two", stage=1)) as deployment:
        deployment.wait_until_ready()
        command = [*COMMAND, "ps"]
        lines = subprocess.run(
            command, env={**os.environ, "GAPURA_VAR": str(tmp_path)}, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert lines[0].split() == ["NAME", "STATE", "ADDRESS", "PID", "MIB", "RESTARTS", "SINCE", "LAST", "END"]
        assert lines[1].split()[:4] == ["supervisor", "ready", "-", str(deployment.process.pid)]
        for line, name in zip(lines[2:], ("one", "two"), strict=True):
            part = deployment.parts[name]
            told, phase, address, pid, memory, restarts, *_ = line.split()
            assert (told, phase, address, pid) == (name, "ready", part.address, str(part.pid))
            assert int(memory) > 0
            assert restarts == "0"
    deployment.process.wait()
    gone = subprocess.run(
        command, env={**os.environ, "GAPURA_VAR": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert gone.returncode == 1  # the file of one that was killed is no news
