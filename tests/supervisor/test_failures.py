"""What cannot run is told, with its last words, and takes everything down with it; what runs already is left alone."""

import errno
import io
import signal
import sys
from pathlib import Path

import pytest
from gapura_deployment.commands import say
from gapura_supervisor.logs import LOG_BYTES, last_words, rotate
from gapura_supervisor.processes import how_it_ended

from tests.supervisor.deployments import deployed, server
from tests.triton.nodes import wait_until


def test_part_that_never_gets_ready_is_told_with_its_last_words(tmp_path: Path) -> None:
    with deployed(tmp_path, server("store"), server("worker", stage=1, behaviours=["fails"])) as deployment:
        said, _ = deployment.process.communicate(timeout=30)
        assert deployment.process.returncode == 1
        assert "Error: worker does not become ready, exit status 1:\n" in said
        assert f"    worker has no luck\n({tmp_path}/worker.log)" in said
        assert deployment.journal == ["store begun", "store told to end", "store ended"]
        assert not deployment.left


def test_part_that_stays_silent_is_told_at_once(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one", behaviours=["silent"], start_seconds=1.0)) as deployment:
        said, _ = deployment.process.communicate(timeout=30)
        assert deployment.process.returncode == 1
        assert "one does not become ready, did not answer within 1 s, killed by SIGKILL:\n    one begins\n" in said


def test_second_supervisor_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one")) as first:
        first.wait_until_ready()
        pid = first.pid("one")
        with deployed(tmp_path, server("one")) as second:
            said, _ = second.process.communicate(timeout=30)
            assert second.process.returncode == 1
            assert said == f"refused: process {first.process.pid} runs it already: see `gapura ps`\n"
            assert first.pid("one") == pid
            assert first.end()[0] == 0


def test_log_is_rotated_while_it_is_written(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    with log.open("a") as writer:
        for word in ("one", "two", "three", "four", "five"):
            writer.write(word)
            writer.flush()
            rotate(log, limit_bytes=1)
        rotate(log, limit_bytes=1)
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"node.log": "", "node.log.1": "five", "node.log.2": "four", "node.log.3": "three"}


def test_every_log_of_a_deployment_is_bounded(tmp_path: Path) -> None:
    with deployed(tmp_path, server("one")) as deployment:
        deployment.wait_until_ready()
        with (tmp_path / "access.log").open("ab") as log:
            log.write(b"x" * (LOG_BYTES + 1))
        wait_until(lambda: (tmp_path / "access.log.1").exists() and not (tmp_path / "access.log").stat().st_size, 30)
        assert deployment.end()[0] == 0


def test_what_can_be_said_to_nobody_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(sys, "stderr", Full())
    say("worker-1 ended")


def test_last_words_are_those_of_this_life_unless_the_log_was_rotated(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\nafter\n")
    assert last_words(log, len("before\n")) == f"    after\n({log})"
    assert last_words(log, 1000) == f"    before\n    after\n({log})"
    assert last_words(tmp_path / "none") == f"({tmp_path}/none)"


def test_ends_are_put_into_words() -> None:
    assert [how_it_ended(-signal.SIGSEGV), how_it_ended(3)] == ["killed by SIGSEGV", "exit status 3"]
