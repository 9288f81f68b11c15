"""However the supervisor ends, nothing is left; when it is told to, everything ends in order."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.supervisor.deployments import deployed, is_alive, server
from tests.triton.nodes import wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_parts_start_in_order_and_end_in_the_reverse_of_it(tmp_path: Path, number: signal.Signals) -> None:
    stages = (server("edge", stage=2), server("worker", stage=1, behaviours=["slow"]), server("store", stage=0))
    with deployed(tmp_path, *stages) as deployment:
        deployment.wait_until_ready()
        status, said = deployment.end(number)
        assert (status, said) == (0, "ready store worker edge\n")
        starts, ends = deployment.journal[:3], deployment.journal[3:]
        assert starts == ["store begun", "worker begun", "edge begun"]
        assert ends == [f"{name} {event}" for name in ("edge", "worker", "store") for event in ("told to end", "ended")]
        assert not deployment.left


def test_sockets_fit_wherever_temporary_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with deployed(tmp_path, server("one")) as deployment:
        deployment.wait_until_ready()
        state = deployment.place.read()
        assert state is not None
        assert len(state.sockets) < 66
        assert deployment.end()[0] == 0
        assert not Path(state.sockets).exists()


def test_second_signal_ends_everything_at_once(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one", behaviours=["stubborn", "breeds"], grace_seconds=60.0)) as deployment:
        deployment.wait_until_ready()
        deployment.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "one told to end" in deployment.journal, 30)
        before = time.monotonic()
        status, _ = deployment.end()
        assert status == 130
        assert time.monotonic() - before < 20
        assert not deployment.left


def test_part_that_does_not_end_is_killed_and_the_status_says_so(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one", behaviours=["stubborn"], grace_seconds=0.5)) as deployment:
        deployment.wait_until_ready()
        status, said = deployment.end()
        assert status == 1
        assert "one had to be killed: it took too long to end" in said
        assert not deployment.left


def test_killed_supervisor_leaves_nothing_not_even_what_parts_had_started(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one", behaviours=["breeds"]), server("two")) as deployment:
        deployment.wait_until_ready()
        bred = deployment.bred
        pids = [deployment.pid("one"), deployment.pid("two"), bred]
        assert all(map(is_alive, pids))
        state = deployment.place.read()
        assert state is not None
        assert Path(state.sockets).exists()
        deployment.process.kill()
        wait_until(lambda: not any(map(is_alive, pids)) and not Path(state.sockets).exists(), 20)
        assert not deployment.left


def test_what_supervisor_and_warden_leave_when_both_are_killed_is_swept_at_the_next_start(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one", behaviours=["breeds"])) as deployment:
        deployment.wait_until_ready()
        one, bred = deployment.pid("one"), deployment.bred
        state = deployment.place.read()
        assert state is not None
        for pid in (*deployment.wardens, deployment.process.pid):
            os.kill(pid, signal.SIGKILL)
        deployment.process.wait()
        time.sleep(0.5)
        assert not is_alive(one)  # the kernel saw to that
        assert is_alive(bred)  # out of the leash's reach, and nobody was left to sweep it up
        assert Path(state.sockets).exists()
        with deployed(tmp_path, server("one")) as following:
            following.wait_until_ready()
            assert not is_alive(bred)
            assert not Path(state.sockets).exists()
            assert following.end()[0] == 0


def test_killed_warden_is_replaced(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one", behaviours=["breeds"])) as deployment:
        deployment.wait_until_ready()
        bred = deployment.bred
        (warden,) = deployment.wardens
        os.kill(warden, signal.SIGKILL)
        wait_until(lambda: len(deployment.wardens) == 1 and deployment.wardens != [warden], 30)
        deployment.process.kill()
        wait_until(lambda: not is_alive(bred), 20)
