"""A process exports what a worker writes: across rotation, when the exporter ends, and when the worker is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.telemetry.export.following import Follower
from gateway.telemetry.opening import Bounds, Watch
from gateway.telemetry.spool import PREVIOUS, SUFFIX
from tests.gateway.telemetry.calls import PATH, begin
from tests.gateway.telemetry.export.receivers import running_rotel, wait_until

INTERNAL, ENDPOINT = 13, "OTEL_EXPORTER_OTLP_ENDPOINT"
WORKER = """
import os, signal, sys
from pathlib import Path
from time import sleep
from gateway.telemetry.opening import Bounds, Watch
from tests.gateway.telemetry.calls import PATH, begin
watch = Watch(Path(sys.argv[1]), "gateway", Bounds(0.0, 1.0, {}), PATH.__eq__)
watch.start()
for _ in range(50):
    watch.telemetry.end(begin(watch.telemetry), 13)
sleep(1.5)  # the thread writes four times a second
os.kill(os.getpid(), signal.SIGKILL)
"""


def lines(path: Path, *numbers: int) -> None:
    with path.open("ab") as file:
        file.write(b"".join(json.dumps({"number": number}).encode() + b"\n" for number in numbers))


def test_what_comes_is_read_once_across_rotation(tmp_path: Path) -> None:
    path = tmp_path / f"w{SUFFIX}"
    lines(path, 0, 1)
    follower = Follower(path, path.stat().st_size)
    assert list(follower.new()) == []
    lines(path, 2)
    with path.open("ab") as file:
        file.write(b'not json\n"no record"\n{"number": ')
    assert [record["number"] for record in follower.new()] == [2]
    with path.open("ab") as file:
        file.write(b"3}\n")
    path.replace(tmp_path / f"w{PREVIOUS}")
    lines(path, 4, 5)
    assert [record["number"] for record in follower.new()] == [3, 4, 5]
    assert list(follower.new()) == []
    follower.close()


def test_a_file_that_is_not_there_yet_is_read_when_it_comes(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "later", 0)
    assert list(follower.new()) == []
    lines(tmp_path / "later", 1)
    assert [record["number"] for record in follower.new()] == [1]
    follower.close()


def test_traces_of_a_worker_that_is_killed_are_exported(tmp_path: Path) -> None:
    with running_rotel(tmp_path) as (received, endpoints):
        told = {**os.environ, ENDPOINT: endpoints["grpc"], "PYTHONPATH": os.pathsep.join(sys.path)}
        ended = subprocess.run([sys.executable, "-c", WORKER, str(tmp_path / "folder")], env=told, check=False)
        assert ended.returncode == -signal.SIGKILL
        wait_until(lambda: len({span.trace_id for span in received.spans()}) == 50)


def test_an_exporter_that_ends_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_rotel(tmp_path) as (received, endpoints):
        monkeypatch.setenv(ENDPOINT, endpoints["grpc"])
        watch = Watch(tmp_path / "folder", "gateway", Bounds(0.0, 1.0, {}), PATH.__eq__)
        watch.start()
        process = watch.export.process
        assert process is not None
        process.child.kill()
        process.child.wait()
        with capture_logs() as logs:
            process.tend()
            process.tend()
        assert [entry["event"] for entry in logs] == ["the exporter has ended, and is started again"]
        watch.telemetry.end(begin(watch.telemetry), INTERNAL)
        watch.close()
        assert process.child.poll() == 0
        wait_until(lambda: len({span.trace_id for span in received.spans()}) == 1)
