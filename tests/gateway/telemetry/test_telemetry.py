"""Every call is counted once, exactly; the trace of one that failed, was slow or chosen is kept, and no other."""

import json
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from gateway.errors import ModelFailed, Overloaded, Unauthenticated
from gateway.feature_views import Features, FeatureStatus
from gateway.telemetry.families import (
    BACKEND,
    BATCH_ROWS,
    CALL_ROWS,
    CALLS,
    DROPPED,
    ERRORS,
    FEATURES,
    KEPT,
    QUEUE,
    RETRIED,
    TRIES,
    Family,
)
from gateway.telemetry.instruments import OTHER
from gateway.telemetry.keeping import MOST_AT_ONCE
from gateway.telemetry.layout import Labels, read_series
from gateway.telemetry.opening import Bounds, Watch
from gateway.telemetry.words import CODES, SERVER_ERRORS
from tests.gateway.telemetry.calls import PATH, VERSION, answer, begin, board

ARM_LABELS = ("acme", "erpml.team.v1.TestService", "Score", "team_model", "3", "champion")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
INTERNAL, EXHAUSTED, UNAUTHENTICATED = map(CODES.index, ("INTERNAL", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED"))
FAILED = ModelFailed("team_model", 3, "failed")


class Watched:
    """What watches a process that the test makes calls to.

    Args:
        folder: Where it tells.
        head_ratio: Share of calls that are chosen.
    """

    def __init__(self, folder: Path, head_ratio: float = 0.0) -> None:
        self.folder = folder
        self.watch = Watch(folder, "gateway", Bounds(head_ratio, 1.0, {}), PATH.__eq__)
        self.telemetry: Any = self.watch.telemetry
        self.watch.start()

    def counted(self, family: Family) -> dict[Labels, float]:
        """Returns the counts of a family: of a histogram those of all buckets together."""
        series = read_series((self.folder / "gateway-0.sheet").read_bytes())
        mine = [each for each in series if each.family is family]
        return {each.labels: sum(each.values[1:] or each.values) for each in mine}

    def records(self) -> list[dict[str, Any]]:
        """Returns what was kept, once all is written."""
        self.watch.close()
        path = self.folder / "gateway-0.traces.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.watch.close()


def test_a_call_is_counted_by_its_labels_and_its_code(watched: Watched) -> None:
    calls = [begin(watched.telemetry) for _ in range(3)]
    batch = board(calls)
    answer(batch, calls)
    for call in calls:
        watched.telemetry.end(call)
    assert watched.counted(CALLS) == {(*ARM_LABELS, "OK"): 3}
    assert watched.counted(QUEUE) == watched.counted(BACKEND) == {ARM_LABELS: 3}
    assert watched.counted(CALL_ROWS) == {ARM_LABELS: 12}
    assert watched.counted(BATCH_ROWS) == {("team_model", "3"): 1}
    assert watched.counted(TRIES) == {("127.0.0.1:8001", "team_model", "3", "answered"): 1}
    assert watched.counted(FEATURES) == {ARM_LABELS: 0}
    assert watched.counted(RETRIED) == watched.counted(ERRORS) == {}
    assert watched.records() == []


def test_the_sum_of_a_histogram_is_that_of_the_calls(watched: Watched) -> None:
    total = 0.0
    for _ in range(1000):
        call = begin(watched.telemetry)
        watched.telemetry.end(call)
        total += call.ended - call.received
    found = [each for each in read_series((watched.folder / "gateway-0.sheet").read_bytes()) if each.family is CALLS]
    assert found[0].values[0] == pytest.approx(total, abs=1e-6)


def test_paths_and_tenants_that_callers_invent_are_counted_together(watched: Watched) -> None:
    for number in range(50):
        call = watched.telemetry.begin(f"/invented/{number}", perf_counter())
        watched.telemetry.end(call, UNAUTHENTICATED, Unauthenticated("API_KEY_INVALID", "no"))
    assert watched.counted(CALLS) == {("", OTHER, OTHER, "", "", "", "UNAUTHENTICATED"): 50}
    assert watched.counted(ERRORS) == {("", OTHER, "", "UNAUTHENTICATED", "API_KEY_INVALID"): 50}


def test_what_was_shed_is_told_by_reason_and_its_trace_is_not_kept(watched: Watched) -> None:
    call = begin(watched.telemetry)
    watched.telemetry.end(call, EXHAUSTED, Overloaded("QUEUE_FULL", "full", retry_after_ms=1))
    expected = ("acme", "erpml.team.v1.TestService", "team_model", "RESOURCE_EXHAUSTED", "QUEUE_FULL")
    assert watched.counted(ERRORS) == {expected: 1}
    assert watched.records() == []


@pytest.mark.parametrize("code", sorted(SERVER_ERRORS))
def test_a_call_that_the_server_failed_is_kept(tmp_path: Path, code: int) -> None:
    watched = Watched(tmp_path)
    watched.telemetry.end(begin(watched.telemetry), code)
    (record,) = watched.records()
    assert (record["why"], record["code_name"]) == ("error", CODES[code])
    assert watched.counted(KEPT)["error",] == 1


def test_a_slow_call_is_kept_with_stages_that_are_its_whole_time(watched: Watched) -> None:
    call = begin(watched.telemetry, seconds_ago=2.0)
    call.fetch((), (), False)  # noqa: FBT003 - in order, as the stage says it
    call.encode(4)
    batch = board([call])
    answer(batch, [call])
    watched.telemetry.end(call)
    record, carried = watched.records()
    names = [name for name, *_ in record["stages"]]
    assert names == [
        *("receive", "admission", "routing", "features", "encode", "queue", "inference", "wake", "decision", "respond")
    ]
    offset = 0.0
    for _, start, seconds, _ in record["stages"]:
        assert start == pytest.approx(offset, abs=1e-9)
        offset += seconds
    assert offset == pytest.approx(record["seconds"], abs=1e-9)
    assert record["why"] == "slow"
    assert [each["span"] for each in record["batches"]] == [carried["span"]]


def test_the_last_stage_of_a_failed_call_is_the_one_that_failed(watched: Watched) -> None:
    for stage in ("admission", "routing", "encode", "queue", "inference", "decision"):
        call = watched.telemetry.begin(PATH, perf_counter())
        if stage != "admission":
            call.admitted = perf_counter()
        if stage not in {"admission", "routing"}:
            call.version, call.routed = VERSION, perf_counter()
        if stage in {"queue", "inference", "decision"}:
            call.encode(1)
        if stage in {"inference", "decision"}:
            batch = board([call])
            if stage == "decision":
                answer(batch, [call])
                call.decided = 0.0
            else:
                batch.fail(FAILED)
        watched.telemetry.end(call, INTERNAL, FAILED)
    calls = [record for record in watched.records() if record["kind"] == "call"]
    assert [record["stages"][-1][0] for record in calls] == [
        *("admission", "routing", "encode", "queue", "inference", "decision")
    ]
    assert all(sum(each[2] for each in record["stages"]) == pytest.approx(record["seconds"]) for record in calls)


def test_calls_and_the_batch_that_carried_them_link_to_each_other(watched: Watched) -> None:
    calls = [begin(watched.telemetry) for _ in range(4)]
    batch = board(calls)
    answer(batch, calls)
    for call in calls[:2]:
        watched.telemetry.end(call)
    for call in calls[2:]:
        watched.telemetry.end(call, INTERNAL, FAILED)
    first, second, carried = watched.records()
    assert {link["trace"] for link in carried["links"]} == {first["trace"], second["trace"]}
    for record, link in zip((first, second), carried["links"], strict=True):
        assert record["batches"][0]["trace"] == carried["trace"]
        assert record["batches"][0]["node"] == carried["tries"][0][0] == "127.0.0.1:8001"
        assert link["inference"] in {span for name, _, _, span in record["stages"] if name == "inference"}
    assert (carried["rows"], carried["calls"], len(carried["links"])) == (16, 4, 2)
    assert [record["batches"][0]["position"] for record in (first, second)] == [8, 12]


def test_a_batch_is_told_once_when_its_last_call_has_ended(watched: Watched) -> None:
    calls = [begin(watched.telemetry) for _ in range(2)]
    batch = board(calls)
    watched.telemetry.end(calls[0], INTERNAL, FAILED)
    assert watched.counted(BATCH_ROWS) == {}
    answer(batch, calls[1:])
    watched.telemetry.end(calls[1])
    assert watched.counted(BATCH_ROWS) == {("team_model", "3"): 1}
    assert [record["kind"] for record in watched.records()] == ["call", "batch"]


def test_attempts_at_nodes_are_counted_by_their_outcome(watched: Watched) -> None:
    call = begin(watched.telemetry)
    batch = board([call])
    batch.settle(batch.send("a:1"), "connection refused")
    answer(batch, [call], "b:1")
    watched.telemetry.end(call, INTERNAL, FAILED)
    version = ("team_model", "3")
    assert watched.counted(TRIES) == {("a:1", *version, "fault"): 1, ("b:1", *version, "answered"): 1}
    assert watched.counted(RETRIED) == {version: 1}
    assert [(node, fault) for node, _, _, fault in watched.records()[1]["tries"]] == [
        ("a:1", "connection refused"),
        ("b:1", ""),
    ]


@pytest.mark.parametrize(
    ("parent", "why", "trace", "span"),
    [
        (f"{PARENT}01", "asked", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"),
        (f"{PARENT}00", None, "", ""),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", "asked", None, ""),
        ("rubbish1", "asked", None, ""),
    ],
)
def test_the_caller_s_context_decides(
    watched: Watched, parent: str, why: str | None, trace: str | None, span: str
) -> None:
    watched.telemetry.end(begin(watched.telemetry, parent=parent))
    records = watched.records()
    assert [record["why"] for record in records] == ([why] if why else [])
    if why:
        assert trace is None or records[0]["trace"] == trace
        assert records[0]["parent"] == span
        assert len(records[0]["trace"]) == 32


def test_calls_are_chosen_at_the_ratio(tmp_path: Path) -> None:
    watched = Watched(tmp_path, 0.25)
    for _ in range(4000):
        watched.telemetry.end(begin(watched.telemetry))
    assert 800 < len(watched.records()) < 1200
    assert watched.counted(KEPT)["head",] == len(watched.records())


def test_more_failures_than_the_budget_cost_no_more_than_the_budget(watched: Watched) -> None:
    count = MOST_AT_ONCE + 5_000
    for _ in range(count):
        watched.telemetry.end(begin(watched.telemetry), INTERNAL, FAILED)
    kept, dropped = watched.counted(KEPT)["error",], watched.counted(DROPPED)["budget",]
    assert kept + dropped == count == sum(watched.counted(CALLS).values())
    assert dropped > 0


def test_features_are_told_by_view_and_status(watched: Watched) -> None:
    call = begin(watched.telemetry)
    view: Any = type("View", (), {"name": "customers"})()
    lookup: Any = type("Lookup", (), {"view": view})()
    call.fetch((lookup, None), (Features((), (), FeatureStatus.STALE),) * 2, True)  # noqa: FBT003 - in order
    watched.telemetry.end(call, INTERNAL, FAILED)
    (record,) = watched.records()
    assert record["features"] == [["customers", "STALE"]]
    assert record["from_memory"] is True
    assert watched.counted(FEATURES) == {ARM_LABELS: 1}
