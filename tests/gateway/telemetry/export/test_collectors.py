"""Whatever the collector does, nobody but the exporter's own thread waits for it, and what is lost is counted."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any
from weakref import WeakSet

import grpc
import pytest
from structlog.testing import capture_logs

from gateway.telemetry.sheet import open_sheet
from tests.gateway.telemetry.export.exporting import exporting, fill
from tests.gateway.telemetry.export.receivers import Received, free_port, running_receiver, running_rotel, wait_until
from tests.gateway.telemetry.export.traces import batch_of, failed_call

PROTOCOLS = ("grpc", "http/protobuf")
STALL_SECONDS = 5.0  # of a busy machine


class Kept(dict[str, Any]):
    """A record of which it can be told whether it is still held."""

    __hash__ = object.__hash__  # type: ignore[assignment] # each is one of its own


def variables_of(protocol: str, port: int, timeout_seconds: float) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TIMEOUT": str(timeout_seconds),
    }


@contextmanager
def silent_collector() -> Iterator[int]:
    """Takes connections and never says a word; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def refusing_collector(protocol: str) -> Iterator[int]:
    """Answers that it wants none of it; yields its port."""
    if protocol == "grpc":
        server = grpc.server(ThreadPoolExecutor(1))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port
        server.stop(None).wait()
    else:
        with running_receiver() as (received, url):
            received.status = 403
            yield int(url.rpartition(":")[2])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_absent_collector_is_told_of_once_and_found_when_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    ports = {each: free_port() for each in PROTOCOLS}
    record = failed_call(13)
    with (
        capture_logs() as logs,
        exporting(monkeypatch, variables_of(protocol, ports[protocol], 1)) as (exporter, drops),
    ):
        for failures in (1, 2):
            exporter.offer(record)
            wait_until(lambda failures=failures: drops.count == failures)  # type: ignore[misc]
        assert [entry["event"] for entry in logs] == ["export does not work"]
        with running_rotel(tmp_path, ports) as (received, _):
            exporter.offer(record)
            wait_until(lambda: len(received.spans()) == len(record["stages"]) + 1)
            wait_until(lambda: len(logs) > 1)
    assert drops.count == 2
    assert [entry["event"] for entry in logs] == ["export does not work", "export works again"]
    assert str(ports[protocol]) in logs[0]["reason"] or "traces" in logs[0]["what"]
    assert caplog.records == []  # the SDK would have had a line for each try


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_collector_refuses_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    with refusing_collector(protocol) as port:
        with exporting(monkeypatch, variables_of(protocol, port, 1)) as (exporter, drops):
            for _ in range(20):
                exporter.offer(failed_call(13))
            wait_until(lambda: drops.count > 0)
        assert drops.count == 20


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nobody_waits_for_a_silent_collector_and_all_is_counted(monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    record, offered = failed_call(13), 30_000
    with silent_collector() as port:
        with exporting(monkeypatch, variables_of(protocol, port, 60), close_seconds=1) as (exporter, drops):
            began = perf_counter()
            for _ in range(offered):
                exporter.offer(record)
            assert perf_counter() - began < STALL_SECONDS
            began = perf_counter()
        assert perf_counter() - began < 1 + STALL_SECONDS
        assert drops.count == offered


def test_records_that_wait_are_no_more_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: WeakSet[Kept] = WeakSet()
    variables = {"OTEL_BSP_MAX_QUEUE_SIZE": "1100"}
    with silent_collector() as port:
        with exporting(monkeypatch, variables_of("grpc", port, 60) | variables, close_seconds=1) as (exporter, drops):
            (call,), _ = batch_of(1)
            assert len(call["stages"]) == 10
            for _ in range(5_000):
                record = Kept(call)
                alive.add(record)
                exporter.offer(record)
            del record
            assert len(alive) == 100
        assert drops.count == 5_000


def test_close_sends_what_is_left_and_the_metrics_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_receiver() as (received, url):
        variables = variables_of("http/protobuf", int(url.rpartition(":")[2]), 10)
        calls, batch = batch_of(9)
        with exporting(monkeypatch, variables, close_seconds=30) as (exporter, drops):
            for record in [*calls, batch] * 10:
                exporter.offer(record)
        assert len(received.spans()) == 10 * (9 * 11 + 2)
        assert drops.count == 0
        exporter.offer(batch)
        exporter.close(1)
        assert drops.count == 1


def test_requests_are_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sheet = open_sheet(tmp_path, "gateway")
    fill(sheet, 500)
    with running_receiver() as (received, url):
        variables = variables_of("http/protobuf", int(url.rpartition(":")[2]), 10)
        with exporting(monkeypatch, variables, sheet, close_seconds=30) as (exporter, _):
            for record in batch_of(9)[0] * 10:
                exporter.offer(record)
    sheet.close()
    spans = [len(Received(traces=[request]).spans()) for request in received.traces]
    points = [len(Received(metrics=[request]).points()) for request in received.metrics]
    assert (sum(spans), sum(points)) == (990, len(sheet.series()))
    assert max(spans) <= 64
    assert max(points) <= 2 * 64


def test_one_signal_may_go_where_the_other_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_receiver() as (received, url):
        variables = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{url}/v1/traces",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        }
        with exporting(monkeypatch, variables) as (exporter, drops):
            exporter.offer(failed_call(13))
            wait_until(lambda: bool(received.traces))
        assert received.metrics == []
        assert drops.count == 0
