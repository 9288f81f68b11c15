"""What ends or hangs is started again, and the rest goes on."""

import os
import signal
from pathlib import Path

import pytest
from gapura_supervisor.backoff import deaths_in_a_row, restart_delay
from gapura_supervisor.state import Phase

from tests.supervisor.deployments import deployed, is_alive, server
from tests.triton.nodes import wait_until


def test_killed_part_is_back_and_the_others_never_noticed(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one"), server("two")) as deployment:
        deployment.wait_until_ready()
        one, two = deployment.pid("one"), deployment.pid("two")
        os.kill(one, signal.SIGKILL)
        wait_until(lambda: deployment.parts["one"].restarts == 1 and deployment.parts["one"].phase is Phase.READY, 30)
        assert deployment.pid("one") != one
        assert deployment.parts["one"].last_end == "killed by SIGKILL"
        assert (deployment.pid("two"), deployment.parts["two"].restarts) == (two, 0)


def test_what_a_killed_part_had_started_is_ended_before_it_is_back(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one", behaviours=["breeds"])) as deployment:
        deployment.wait_until_ready()
        bred = deployment.bred
        assert is_alive(bred)
        os.kill(deployment.pid("one"), signal.SIGKILL)
        wait_until(lambda: deployment.journal.count("one begun") == 2, 30)
        assert not is_alive(bred)


def test_part_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one", live_seconds=1.0)) as deployment:
        deployment.wait_until_ready()
        os.kill(deployment.pid("one"), signal.SIGSTOP)
        wait_until(lambda: deployment.parts["one"].restarts == 1 and deployment.parts["one"].phase is Phase.READY, 30)
        assert (deployment.parts["one"].last_end or "").startswith("did not answer for ")


def test_part_that_answers_but_is_not_ready_is_left_alone_and_told(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one", behaviours=["unready"], start_seconds=0.5, live_seconds=0.5)) as deployment:
        wait_until(lambda: "one" in deployment.parts and deployment.parts["one"].phase is Phase.UNREADY, 30)
        with pytest.raises(AssertionError, match="not so after"):
            wait_until(lambda: deployment.parts["one"].restarts > 0, 2)
        assert "one answers, but is not ready" in deployment.end()[1]


def test_dying_again_and_again_waits_longer_and_longer_until_a_good_life() -> None:
    assert [restart_delay(deaths) for deaths in (1, 2, 3, 4, 6, 7, 2000)] == [0, 0.2, 0.4, 0.8, 3.2, 5, 5]
    assert (deaths_in_a_row(4, 9.9), deaths_in_a_row(4, 10.0)) == (5, 1)


def test_part_that_dies_at_once_after_a_start_that_went_well_is_tried_less_and_less_often(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one")) as deployment:
        deployment.wait_until_ready()
        for restarts in (1, 2, 3):
            os.kill(deployment.pid("one"), signal.SIGKILL)
            wait_until(lambda: deployment.parts["one"].restarts == restarts, 30)  # noqa: B023 - called at once
            wait_until(lambda: deployment.parts["one"].phase is Phase.READY, 30)
        said = deployment.end()[1]
    assert [line.rpartition(" in ")[2] for line in said.splitlines() if "started again" in line] == [
        "0.0 s",
        "0.2 s",
        "0.4 s",
    ]


def test_part_starts_once_what_it_needs_is_there(tmp_path: Path) -> None:
    needs = tmp_path / "catalog"
    with deployed(tmp_path, server("one", needs=str(needs))) as deployment:
        wait_until(lambda: "one" in deployment.parts, 30)
        assert deployment.parts["one"].phase is Phase.WAITING
        assert deployment.process.stdout is not None
        assert deployment.process.stdout.readline() == f"one waits for {needs}\n"
        needs.touch()
        deployment.wait_until_ready()
        assert deployment.end()[0] == 0
