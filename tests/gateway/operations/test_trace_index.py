"""Traces are followed as they are written, through rotation, damage and half-written lines."""

import json
from pathlib import Path

import pytest

from gateway.operations.kept import KeptBatch, KeptCall
from gateway.operations.trace_index import MOST_OF_A_PROCESS, TraceIndex, batches_of, members_of
from tests.operations.telemetry_data import Worker, batch, call


def numbers(index: TraceIndex) -> list[int]:
    """Returns the numbers of which traces were made, newest first."""
    return [int(record.trace, 16) for record in index.latest()]


def test_the_newest_of_all_processes_comes_first(tmp_path: Path) -> None:
    workers = [Worker(tmp_path), Worker(tmp_path)]
    for number in range(6):
        workers[number % 2].keep(call(number, start_ns=1000 + number))
    assert numbers(TraceIndex(tmp_path)) == [5, 4, 3, 2, 1, 0]


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    index, line = TraceIndex(tmp_path), json.dumps(call(7)).encode()
    with (tmp_path / "gateway-0.traces.jsonl").open("ab", buffering=0) as file:
        file.write(json.dumps(call(6)).encode() + b"\n" + line[:50])
        assert numbers(index) == [6]
        file.write(line[50:])
        assert numbers(index) == [6]
        file.write(b"\n")
        assert sorted(numbers(index)) == [6, 7]


def test_rotation_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    worker, index = Worker(tmp_path), TraceIndex(tmp_path)
    path, previous = tmp_path / "gateway-0.traces.jsonl", tmp_path / "gateway-0.traces.1.jsonl"
    for number in range(20):
        worker.keep(call(number, start_ns=1000 + number))
        if number % 4 == 1:
            assert numbers(index) == list(range(number, -1, -1))
        if number % 8 == 6:
            path.replace(previous)
    assert numbers(index) == list(range(19, -1, -1))


def test_an_index_that_comes_later_knows_the_previous_file_too(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.keep(call(1, start_ns=1))
    (tmp_path / "gateway-0.traces.jsonl").replace(tmp_path / "gateway-0.traces.1.jsonl")
    assert numbers(TraceIndex(tmp_path)) == [1]
    worker.keep(call(2, start_ns=2))
    assert numbers(TraceIndex(tmp_path)) == [2, 1]


def test_damaged_lines_are_left_out(tmp_path: Path) -> None:
    lines = [b"{", b"[]", b"\xff\xfe", b'{"kind": "call"}', b'{"kind": "other"}', b"", b"null"]
    wrong = [call(1, trace="<script>"), {**call(2), "seconds": "long"}, call(3, stages=[["queue"]])]
    lines += [json.dumps(each).encode() for each in (*wrong, call(9))]
    (tmp_path / "gateway-0.traces.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert numbers(TraceIndex(tmp_path)) == [9]


def test_a_file_that_is_emptied_is_read_from_its_begin(tmp_path: Path) -> None:
    worker, index = Worker(tmp_path), TraceIndex(tmp_path)
    worker.keep(*(call(number) for number in range(5)))
    assert len(numbers(index)) == 5
    (tmp_path / "gateway-0.traces.jsonl").write_bytes(b"")
    worker.keep(call(50))
    assert 50 in numbers(index)


def test_so_many_of_a_process_are_known_and_no_more(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.keep(*(call(number, start_ns=number) for number in range(MOST_OF_A_PROCESS + 10)))
    found = numbers(TraceIndex(tmp_path))
    assert len(found) == MOST_OF_A_PROCESS
    assert found[0] == MOST_OF_A_PROCESS + 9


def test_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    worker, index = Worker(tmp_path), TraceIndex(tmp_path)
    worker.keep(call(1))
    assert numbers(index) == [1]
    (tmp_path / "gateway-0.traces.jsonl").unlink()
    assert numbers(index) == []


def test_calls_and_the_batch_that_carried_them_know_each_other(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    first, second, lonely = call(1), call(2, tenant="globex"), call(3)
    carried = batch(100, first, second)
    worker.keep(first, second, lonely, carried)
    records = TraceIndex(tmp_path).latest()
    calls = {int(each.trace, 16): each for each in records if isinstance(each, KeptCall)}
    (found,) = [each for each in records if isinstance(each, KeptBatch)]
    assert batches_of(calls[1], records) == batches_of(calls[2], records) == [found]
    assert batches_of(calls[3], records) == []
    assert members_of(found, records) == [calls[1], calls[2]]


@pytest.mark.parametrize("rest", [1, 100])
def test_of_a_long_file_only_the_end_is_read(tmp_path: Path, rest: int) -> None:
    path = tmp_path / "gateway-0.traces.jsonl"
    padded = json.dumps(call(1, message="x" * 500_000)).encode() + b"\n"
    lines = [json.dumps(call(10 + number)).encode() + b"\n" for number in range(rest)]
    path.write_bytes(padded * 20 + b"".join(lines))
    found = numbers(TraceIndex(tmp_path))
    assert set(range(10, 10 + rest)) <= set(found)
    assert found.count(1) < 10
