"""Predictions and outcomes are on the disk when they are acknowledged, in whole lines, whatever ends the process."""

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gapura_client import InvalidRecord, MLHubClient, SpoolError
from gapura_client.hub_client.spool import Spool

WRITER = """
import sys
from gapura_client import MLHubClient
client = MLHubClient("team3", spool=sys.argv[1])
number = 0
while True:
    prediction = client.log_prediction("fraud_detection", {"amount": number}, 0.5)
    client.record_outcome(prediction, number)
    print(number, flush=True)
    number += 1
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[MLHubClient]:
    with MLHubClient("team3", spool=tmp_path / "spool") as opened:
        yield opened


def records(folder: Path) -> list[dict[str, Any]]:
    """Returns what the ledger will read."""
    paths = sorted(folder.glob("*.jsonl"), key=lambda path: int(path.stem.rpartition("-")[2]))
    return [json.loads(line) for path in paths for line in path.read_bytes().split(b"\n")[:-1]]


def test_a_prediction_and_its_outcome_are_written_down(client: MLHubClient, tmp_path: Path) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    features = {"amount": np.float32(0.5), "città": "Forlì", "unknown": float("nan"), "history": np.arange(3)}
    made = client.log_prediction("fraud_detection", features, np.array([0.25, 0.75]), version=3, at=at)
    client.record_outcome(made, {"fraud": True, "amount_minor": 2**60}, at=at)
    common = {"at": "2026-01-02T03:04:05Z", "team": "team3", "prediction_id": made}
    written = {"amount": 0.5, "città": "Forlì", "unknown": None, "history": [0, 1, 2]}
    model = {"model": "team3_fraud_detection", "version": "3"}
    assert records(tmp_path / "spool") == [
        {"kind": "prediction", **common, **model, "features": written, "prediction": [0.25, 0.75]},
        {"kind": "outcome", **common, "outcome": {"fraud": True, "amount_minor": 2**60}},
    ]


def test_an_id_is_made_where_none_is_given_and_kept_where_one_is(client: MLHubClient) -> None:
    made = {client.log_prediction("m", {}, 1) for _ in range(100)}
    assert len(made) == 100
    assert client.log_prediction("m", {}, 1, prediction_id="p-1") == "p-1"


def holding_itself() -> list[Any]:
    """Returns a list that holds itself."""
    values: list[Any] = []
    values.append(values)
    return values


@pytest.mark.parametrize(
    ("features", "told"),
    [
        ({"when": object()}, "features.when is a object, which JSON does not have"),
        ({"raw": b"x"}, "features.raw is a bytes"),
        ({"rows": [1, {2: 3}]}, r"features.rows\[1\] has the key 2: pass texts as keys"),
        ({"most": float("inf")}, "features.most is inf"),
        ({"half": "\ud800"}, "features.half has half of a character"),
        ({"at": datetime(2026, 1, 1)}, "features.at has no time zone"),  # noqa: DTZ001 - that is the point
        (holding_itself(), "nested too deep, or holds itself"),
        ({"text": "x" * 2_000_000}, "the record has 2,000,.* bytes; at most 1,048,576"),
    ],
)
def test_what_json_does_not_have_is_told_of_and_nothing_is_written(
    client: MLHubClient, tmp_path: Path, features: Any, told: str
) -> None:
    with pytest.raises(InvalidRecord, match=told):
        client.log_prediction("m", features, 1)
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("prediction_id", ["", "  ", None, 7, "x" * 300])
def test_an_id_that_is_none_is_refused(client: MLHubClient, prediction_id: Any) -> None:
    with pytest.raises(InvalidRecord, match="prediction_id is .*: pass the id of the answer"):
        client.record_outcome(prediction_id, 1)


def test_without_a_folder_it_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GAPURA_SPOOL", raising=False)
    with MLHubClient("team3") as client, pytest.raises(InvalidRecord, match="pass spool=, or set GAPURA_SPOOL"):
        client.record_outcome("p-1", 1)
    monkeypatch.setenv("GAPURA_SPOOL", str(tmp_path))
    with MLHubClient("team3") as client:
        client.record_outcome("p-1", 1)
    assert len(records(tmp_path)) == 1


def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 50:
                process.send_signal(signal.SIGKILL)
                break
        acknowledged = 50 + len(process.stdout.read().splitlines())
    outcomes = [record["outcome"] for record in records(tmp_path) if record["kind"] == "outcome"]
    assert outcomes[: acknowledged + 1] == list(range(acknowledged + 1))


def test_every_line_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    """The kernel says so: each return of `append` follows an fsync of its file."""
    source = (
        "import sys; from pathlib import Path; from gapura_client.hub_client.spool import Spool\n"
        "import os\n"
        "spool, order, fsync, write = Spool(Path(sys.argv[1]), 'x'), [], os.fsync, os.write\n"
        "os.fsync = lambda file: (fsync(file), order.append('fsync'))[0]\n"
        "os.write = lambda file, data: (order.append('write'), write(file, data))[1]\n"
        "for _ in range(3): spool.append(b'{}\\n'); order.append('done')\n"
        "print(*order)\n"
    )
    done = subprocess.run([sys.executable, "-c", source, str(tmp_path)], check=True, capture_output=True, text=True)
    told = done.stdout.split()
    assert told[0] == "fsync"  # the folder, which has the file's name
    assert told[1:] == ["write", "fsync", "done"] * 3


def test_threads_write_whole_lines_and_lose_none(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "team3", file_bytes=2_000)

    def write(number: int) -> None:
        spool.append(json.dumps({"number": number, "text": "x" * (number % 97)}).encode() + b"\n")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(400)))
    spool.close()
    assert sorted(record["number"] for record in records(tmp_path)) == list(range(400))
    sizes = [path.stat().st_size for path in tmp_path.glob("*.jsonl")]
    assert len(sizes) > 10
    assert max(sizes) <= 2_000


def test_a_file_is_locked_for_as_long_as_it_may_grow(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "team3", file_bytes=10)
    for _ in range(2):
        spool.append(b'{"a": 1}\n')
    done, growing = sorted(tmp_path.glob("*.jsonl"), key=lambda path: path.stem)
    assert lockable(done)
    assert not lockable(growing)
    spool.close()
    assert lockable(growing)


def lockable(path: Path) -> bool:
    """Says whether the ledger may read and remove a file."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_a_full_folder_takes_no_more_and_loses_nothing_until_it_is_read(tmp_path: Path) -> None:
    spool, line = Spool(tmp_path, "team3", file_bytes=100, folder_bytes=400), b'{"a": 123456}\n'
    most = 400 // len(line)
    for _ in range(most):
        spool.append(line)
    with pytest.raises(SpoolError, match="the files hold 400 bytes that nobody has read and removed"):
        spool.append(line)
    assert len(records(tmp_path)) == most
    for path in tmp_path.glob("*.jsonl"):
        path.unlink()
    spool.append(line)
    assert len(records(tmp_path)) == 1


def test_a_disk_that_is_full_leaves_whole_lines(tmp_path: Path) -> None:
    """A file size limit stands for the full disk: the kernel takes a part of a line, then none."""
    spool, line = Spool(tmp_path, "team3"), b'{"a": "' + b"x" * 100 + b'"}\n'
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (250, before[1]))
    try:
        spool.append(line)
        spool.append(line)
        with pytest.raises(SpoolError, match="not written down: File too large"):
            spool.append(line)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(records(tmp_path)) == 2
    spool.append(line)
    assert len(records(tmp_path)) == 3


def test_a_forked_process_has_a_file_of_its_own(tmp_path: Path) -> None:
    source = (
        "import os, sys; from pathlib import Path; from gapura_client.hub_client.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), 'x'); spool.append(b'1\\n')\n"
        "child = os.fork(); spool.append(b'2\\n')\n"
        "os._exit(0) if child == 0 else os.waitpid(child, 0)\n"
    )
    subprocess.run([sys.executable, "-c", source, str(tmp_path)], check=True)
    contents = sorted(path.read_bytes() for path in tmp_path.glob("*.jsonl"))
    assert contents == [b"1\n2\n", b"2\n"]
    assert len({path.stem.split("-")[-3] for path in tmp_path.glob("*.jsonl")}) == 2
    assert os.getpid() not in {int(path.stem.split("-")[-3]) for path in tmp_path.glob("*.jsonl")}
