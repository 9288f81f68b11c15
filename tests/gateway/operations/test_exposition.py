"""Metrics are what Prometheus' own parsers read, in both formats."""

from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from gateway.operations.http import Request
from gateway.operations.metrics import Metrics, prefers_openmetrics
from gateway.telemetry.families import CALLS
from gateway.usage.book import UsageBook
from tests.operations.telemetry_data import MODEL, PATH, Worker

HOSTILE = 'a"b\\c\nd{}%s'
SERVICE, METHOD = PATH.strip("/").split("/")


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    """Tells of two processes, one of which is silent, and of usage."""
    for beat in (time(), time() - 100):
        worker = Worker(tmp_path)
        for seconds in (0.0004, 0.002, 0.0021, 99.0):
            worker.count(seconds)
        worker.count(0.01, tenant=HOSTILE, code="INTERNAL")
        worker.beat(beat)
        labels = ["acme", SERVICE, METHOD, MODEL, "2", "champion", "OK"]
        worker.tell(exemplars=[[CALLS.name, labels, 0.0021, "a" * 32, "b" * 16, 1_764_437_000.5]])
    UsageBook(tmp_path / "usage").charge("acme", MODEL, 3, 0.001)
    return Metrics(tmp_path / "usage", tmp_path)


def samples(metrics: Metrics, *, openmetrics: bool) -> dict[str, list[Any]]:
    """Returns the samples by their names, as Prometheus' parsers read them."""
    parse: Callable[[str], Any] = parse_openmetrics if openmetrics else parse_text
    found: dict[str, list[Any]] = {}
    for family in parse(metrics.text(openmetrics=openmetrics).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


@pytest.mark.parametrize("openmetrics", [False, True])
def test_histograms_are_exact_and_cumulative(metrics: Metrics, *, openmetrics: bool) -> None:
    found = samples(metrics, openmetrics=openmetrics)
    buckets = [each for each in found[f"{CALLS.name}_bucket"] if each.labels["tenant"] == "acme"]
    counts = {each.labels["le"]: each.value for each in buckets}
    assert (counts["0.0005"], counts["0.002"], counts["0.003"], counts["10.0"], counts["+Inf"]) == (2, 4, 6, 6, 8)
    assert list(map(float, counts)) == [*CALLS.bounds, float("inf")]
    (count,) = [each for each in found[f"{CALLS.name}_count"] if each.labels["tenant"] == "acme"]
    (total,) = [each for each in found[f"{CALLS.name}_sum"] if each.labels["tenant"] == "acme"]
    assert count.value == 8
    assert total.value == pytest.approx(2 * 99.0045)
    assert count.labels == {
        "tenant": "acme",
        "service": SERVICE,
        "method": METHOD,
        "model": MODEL,
        "version": "2",
        "arm": "champion",
        "code": "OK",
    }


@pytest.mark.parametrize("openmetrics", [False, True])
def test_names_that_callers_chose_come_back_as_they_were(metrics: Metrics, *, openmetrics: bool) -> None:
    found = samples(metrics, openmetrics=openmetrics)
    assert {each.labels["tenant"] for each in found["gapura_errors_total"]} == {HOSTILE}
    assert [each.value for each in found["gapura_errors_total"]] == [2]


@pytest.mark.parametrize("openmetrics", [False, True])
def test_usage_and_gauges_of_living_processes_are_told_too(metrics: Metrics, *, openmetrics: bool) -> None:
    found = samples(metrics, openmetrics=openmetrics)
    assert [(each.labels, each.value) for each in found["gapura_calls_in_flight"]] == [({"worker": "gateway-0"}, 3)]
    (usage,) = found["gapura_usage_rows_total"]
    assert (usage.labels["tenant"], usage.value) == ("acme", 3)


def test_openmetrics_leads_from_a_bucket_to_a_trace(metrics: Metrics) -> None:
    found = samples(metrics, openmetrics=True)
    told = [(each.labels["le"], each.exemplar) for each in found[f"{CALLS.name}_bucket"] if each.exemplar]
    ((bucket, exemplar),) = told
    assert bucket == "0.003"
    assert exemplar.labels == {"trace_id": "a" * 32, "span_id": "b" * 16}
    assert (exemplar.value, float(exemplar.timestamp)) == (0.0021, 1_764_437_000.5)
    assert b"trace_id" not in metrics.text()


def test_the_format_is_what_is_asked_for(metrics: Metrics) -> None:
    prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.2"
    answer = metrics.answer(Request("GET", "/metrics", headers={"accept": prometheus}))
    assert answer.kind.startswith("application/openmetrics-text; version=1.0.0")
    assert answer.content.endswith(b"# EOF\n")
    plain = metrics.answer(Request("GET", "/metrics"))
    assert plain.kind == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# EOF" not in plain.content


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; version=1.0.0", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.3", False),
        ("application/openmetrics-text;q=..,text/plain", False),
    ],
)
def test_openmetrics_is_chosen_by_what_the_caller_prefers(accept: str, *, expected: bool) -> None:
    assert prefers_openmetrics(accept) is expected
