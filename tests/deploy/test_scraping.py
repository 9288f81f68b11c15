"""A real Prometheus reads what we write, makes of it what the rules say, and answers every panel."""

import re
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

import pytest

from gateway.operations.metrics import MetricsServer
from tests.deploy.dashboards import PATHS, expressions_of, read, variable_queries_of
from tests.deploy.prometheus import Prometheus, prometheus, wait_until
from tests.deploy.promtool import rules_of
from tests.deploy.traffic import SPAN, TRACE, Traffic

SECONDS = 60

# A window that has only begun tells nothing yet; that of five minutes has the same labels.
LONGER = re.compile(r"(?<=rate)(?:30m|1h|2h|6h|1d|3d)\b")


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Traffic, Prometheus]]:
    """Yields traffic, and the Prometheus that has read of it twice and evaluated its rules."""
    folder = tmp_path_factory.mktemp("prometheus")
    worker = Traffic(folder / "telemetry")
    server = MetricsServer("127.0.0.1:0", folder / "usage", folder / "telemetry")
    (folder / "usage").mkdir()
    target = server.start()
    worker.start()
    try:
        with prometheus(folder, target) as reader:
            wait_until(lambda: (reader.value("sum(tenant:gapura_calls:rate5m)") or 0) > 0, SECONDS)
            wait_until(lambda: reader.query("model:gapura_shed_calls:ratio_rate5m"), SECONDS)
            wait_until(lambda: reader.query("model_arm:gapura_call_duration_seconds:p99_5m"), SECONDS)
            yield worker, reader
    finally:
        worker.close()
        server.stop()


def test_the_target_is_up(traffic: tuple[Traffic, Prometheus]) -> None:
    assert traffic[1].value('up{job="gapura"}') == 1


def test_all_rules_can_be_evaluated(traffic: tuple[Traffic, Prometheus]) -> None:
    groups = traffic[1].ask("rules")["groups"]
    assert {
        rule["name"]: rule.get("lastError") for group in groups for rule in group["rules"] if rule["health"] == "err"
    } == {}
    assert sum(len(group["rules"]) for group in groups) == len([*rules_of("rules", "alerts")])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_panel_has_something_to_show(path: Path, traffic: tuple[Traffic, Prometheus]) -> None:
    _, reader = traffic
    expressions = [text for text in expressions_of(read(path)) if not text.startswith("ALERTS")]
    selectors = [f'{{{label}!=""}} and {selector}' for selector, label in variable_queries_of(read(path))]
    silent = [text for text in [*expressions, *selectors] if not finite(reader, LONGER.sub("5m", text))]
    assert silent == []


def test_an_exemplar_is_the_trace_that_the_histogram_saw(traffic: tuple[Traffic, Prometheus]) -> None:
    _, reader = traffic
    found = reader.ask("query_exemplars", query="gapura_call_duration_seconds_bucket", start="0", end="9999999999")
    labels = [exemplar["labels"] for series in found for exemplar in series["exemplars"]]
    assert {"trace_id": TRACE, "span_id": SPAN} in labels


def test_counts_are_exact(traffic: tuple[Traffic, Prometheus]) -> None:
    worker, reader = traffic
    worker.stop()
    counted = 'sum(gapura_call_duration_seconds_count{code="OK"})'
    wait_until(lambda: reader.value(counted) == worker.turns, SECONDS)
    seconds = reader.value('sum(gapura_call_duration_seconds_sum{code="OK"})')
    assert seconds == pytest.approx(worker.turns * 0.15)


def test_silent_workers_are_a_gateway_that_is_down(traffic: tuple[Traffic, Prometheus]) -> None:
    worker, reader = traffic
    worker.stop()
    wait_until(lambda: reader.query('ALERTS{alertname="GapuraGatewayDown", alertstate="pending"}'), SECONDS)


def finite(reader: Prometheus, expression: str) -> bool:
    """Says whether an expression has a sample that is a number."""
    return any(isfinite(float(sample["value"][1])) for sample in reader.query(expression))
