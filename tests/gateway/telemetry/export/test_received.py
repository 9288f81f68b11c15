"""A collector that others wrote understands all that is exported, over gRPC and over HTTP."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from gateway.telemetry.families import CALLS, FAMILIES, Kind
from gateway.telemetry.sheet import Sheet, open_sheet
from tests.gateway.telemetry.export.exporting import EXEMPLAR, IDENTITY, exporting, fill
from tests.gateway.telemetry.export.receivers import Received, running_rotel, wait_until
from tests.gateway.telemetry.export.traces import METHOD, NODE, STATE, batch_of, failed_call

CALLS_A_BATCH, BATCHES = 9, 40
FAULT = "the node is overloaded"


@pytest.fixture(scope="module", params=["grpc", "http/protobuf"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Received, Sheet]]:
    """What Rotel understood of many traces and of a sheet, over one protocol; and the sheet."""
    folder = tmp_path_factory.mktemp("export")
    sheet = open_sheet(folder / "telemetry", "gateway")
    fill(sheet, 300)
    with running_rotel(folder) as (received, endpoints), pytest.MonkeyPatch.context() as patch:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoints[request.param],
            "OTEL_EXPORTER_OTLP_PROTOCOL": request.param,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=staging,service.instance.id=shared",
        }
        with exporting(patch, variables, sheet, close_seconds=30) as (exporter, drops):
            for number in range(BATCHES):
                calls, batch = batch_of(CALLS_A_BATCH, faults=(FAULT,) if number % 2 else ())
                for record in (*calls, batch):
                    exporter.offer(record)
            exporter.offer(failed_call(13, message="the model failed"))
        wait_until(lambda: len(received.spans()) >= spans_of(BATCHES) and len(received.points()) >= len(sheet.series()))
        assert drops.count == 0
    yield received, sheet
    sheet.close()


def spans_of(batches: int) -> int:
    """Counts the spans: ten stages and a root a call, a root and one or two tries a batch, and those of the failed."""
    return batches * CALLS_A_BATCH * 11 + batches * 2 + batches // 2 + 4


def test_every_span_comes_once(told: tuple[Received, Sheet]) -> None:
    spans = told[0].spans()
    assert len(spans) == spans_of(BATCHES) == len({(span.trace_id, span.span_id) for span in spans})


def test_stages_tile_their_call(told: tuple[Received, Sheet]) -> None:
    spans = told[0].spans()
    roots = [span for span in spans if span.kind == Span.SPAN_KIND_SERVER]
    assert len(roots) == BATCHES * CALLS_A_BATCH + 1
    for root in roots:
        stages = sorted(children_of(root, spans), key=lambda span: span.start_time_unix_nano)
        assert stages[0].start_time_unix_nano == root.start_time_unix_nano
        assert all(one.end_time_unix_nano == next_one.start_time_unix_nano for one, next_one in pairwise(stages))
        lasted = sum(span.end_time_unix_nano - span.start_time_unix_nano for span in stages)
        assert lasted == pytest.approx(root.end_time_unix_nano - root.start_time_unix_nano, rel=0.02)


def test_links_between_calls_and_batches_resolve_both_ways(told: tuple[Received, Sheet]) -> None:
    spans = {(span.trace_id, span.span_id): span for span in told[0].spans()}
    linking = [span for span in spans.values() if span.links]
    assert len(linking) == BATCHES * (CALLS_A_BATCH + 1)
    for span in linking:
        assert len(span.links) == (CALLS_A_BATCH if span.kind == Span.SPAN_KIND_CLIENT else 1)
        for link in span.links:
            other = spans[link.trace_id, link.span_id]
            assert {other.name, span.name} == {"inference", "inference.GRPCInferenceService/ModelInfer"}
            assert (span.trace_id, span.span_id) in {(back.trace_id, back.span_id) for back in other.links}


def test_a_call_belongs_to_the_trace_of_its_caller(told: tuple[Received, Sheet]) -> None:
    roots = [span for span in told[0].spans() if span.kind == Span.SPAN_KIND_SERVER and span.parent_span_id]
    assert len(roots) == BATCHES * CALLS_A_BATCH
    for root in roots:
        position = attributes(root)["erp.batch.position"] // 8
        assert int.from_bytes(root.trace_id) == position + 1
        assert int.from_bytes(root.parent_span_id) == position + 7
        assert root.trace_state == STATE


def test_a_call_is_described_by_the_semantic_conventions_and_our_words(told: tuple[Received, Sheet]) -> None:
    spans = told[0].spans()
    root = next(span for span in spans if span.kind == Span.SPAN_KIND_SERVER and span.parent_span_id)
    position = attributes(root)["erp.batch.position"]
    assert root.name == METHOD
    assert attributes(root) == {
        "rpc.system.name": "grpc",
        "rpc.method": METHOD,
        "rpc.response.status_code": "OK",
        "server.address": "127.0.0.1",
        "server.port": 9003,
        "feature_flag.key": "fraud",
        "feature_flag.result.variant": "champion",
        "erp.tenant": "acme",
        "erp.model": "fraud",
        "erp.version": 3,
        "erp.arm": "champion",
        "erp.rows": 8,
        "erp.worker": "gateway-0",
        "erp.kept": "slow",
        "erp.node": NODE,
        "erp.batch.rows": 72,
        "erp.batch.calls": 9,
        "erp.batch.position": position,
    }
    features = next(span for span in children_of(root, spans) if span.name == "features")
    assert features.kind == Span.SPAN_KIND_CLIENT
    assert attributes(features) == {
        "db.system.name": "redis",
        "erp.features.from_memory": False,
        "erp.features.views": ["customer_activity"],
        "erp.features.statuses": ["STALE"],
    }


def test_every_try_of_a_batch_is_told_with_its_node_and_fault(told: tuple[Received, Sheet]) -> None:
    spans = told[0].spans()
    roots = [span for span in spans if span.kind == Span.SPAN_KIND_CLIENT and span.links]
    tries = [children_of(root, spans) for root in roots]
    assert sorted(map(len, tries)) == [1] * (BATCHES // 2) + [2] * (BATCHES // 2)
    for root, each in zip(roots, tries, strict=True):
        assert root.parent_span_id == b""
        assert attributes(root)["erp.batch.rows"] == 72
        for span in each:
            assert attributes(span)["server.address"] == "127.0.0.1"
            assert attributes(span)["server.port"] == 8001
            faulty = len(each) == 2 and attributes(span)["erp.try"] == 1
            assert span.status.code == (Status.STATUS_CODE_ERROR if faulty else Status.STATUS_CODE_UNSET)
            assert span.status.message == (FAULT if faulty else "")


def test_a_failed_call_and_the_stage_that_failed_are_errors(told: tuple[Received, Sheet]) -> None:
    spans = told[0].spans()
    root = next(span for span in spans if span.status.code == Status.STATUS_CODE_ERROR and span.name == METHOD)
    assert root.status.message == "the model failed"
    assert attributes(root)["error.type"] == attributes(root)["rpc.response.status_code"] == "INTERNAL"
    assert attributes(root)["erp.reason"] == "MODEL_FAILED"
    stages = {span.name: span.status.code for span in children_of(root, spans)}
    assert stages == {"receive": 0, "admission": 0, "routing": Status.STATUS_CODE_ERROR}


def test_metrics_are_the_numbers_of_the_sheet(told: tuple[Received, Sheet]) -> None:
    received, sheet = told
    points = received.points()
    assert len(points) == len(sheet.series()) > 900
    for family in FAMILIES:
        series = [one.values for one in sheet.series() if one.family is family]
        found = [point for metric, point in points if metric.name == family.otlp]
        if family.kind is Kind.HISTOGRAM:
            assert sum(point.sum for point in found) == pytest.approx(sum(values[0] for values in series), rel=1e-9)
            counts = [sum(column) for column in zip(*(values[1:] for values in series), strict=True)]
            assert [sum(column) for column in zip(*(point.bucket_counts for point in found), strict=True)] == counts
            assert all(point.count == sum(point.bucket_counts) for point in found)
            assert all(tuple(point.explicit_bounds) == family.bounds for point in found)
            assert not any(point.HasField("min") or point.HasField("max") for point in found)
        else:
            values_found = [point.as_int if family.kind is Kind.COUNTER else point.as_double for point in found]
            assert sorted(values_found) == sorted(values[0] for values in series)


def test_metrics_have_their_names_units_and_the_start_of_the_sheet(told: tuple[Received, Sheet]) -> None:
    metrics = {metric.name: metric for metric in told[0].families()}
    for family in FAMILIES:
        if family.otlp in metrics:
            metric = metrics[family.otlp]
            assert (metric.unit, metric.description) == (family.unit, family.help)
            if family.kind is Kind.GAUGE:
                assert metric.HasField("gauge")
                continue
            data = metric.histogram if family.kind is Kind.HISTOGRAM else metric.sum
            assert data.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
            assert all(point.start_time_unix_nano == IDENTITY.since_ns for point in data.data_points)
    assert metrics["erp.node.batches"].sum.is_monotonic
    assert set(metrics) == {
        "rpc.server.call.duration",
        "erp.errors",
        "erp.node.batches",
        "erp.lane.batches",
        "erp.batch.rows",
    }


def test_durations_of_calls_follow_the_semantic_conventions(told: tuple[Received, Sheet]) -> None:
    points = [point for metric, point in told[0].points() if metric.name == CALLS.otlp]
    failed = next(point for point in points if attributes(point)["rpc.response.status_code"] == "INTERNAL")
    assert attributes(failed) == {
        "rpc.system.name": "grpc",
        "rpc.method": METHOD,
        "rpc.response.status_code": "INTERNAL",
        "error.type": "INTERNAL",
        "erp.tenant": "acme",
        "erp.model": "fraud",
        "erp.version": attributes(failed)["erp.version"],
        "erp.arm": "champion",
    }
    exemplars = [exemplar for point in points for exemplar in point.exemplars]
    assert [exemplar.trace_id.hex() for exemplar in exemplars] == [EXEMPLAR.trace_id]
    assert exemplars[0].span_id.hex() == EXEMPLAR.span_id
    assert exemplars[0].as_double == EXEMPLAR.value


def test_the_process_says_who_it_is_whatever_all_of_a_machine_share(told: tuple[Received, Sheet]) -> None:
    received = told[0]
    who = [part.resource for request in received.traces for part in request.resource_spans]
    who += [part.resource for request in received.metrics for part in request.resource_metrics]
    for resource in who:
        found = attributes(resource)
        assert found["service.name"] == "gapura-gateway"
        assert found["service.version"] == "0.1.0"
        assert found["service.instance.id"] == IDENTITY.instance
        assert found["deployment.environment.name"] == "staging"
        assert found["host.name"]


def children_of(parent: Span, spans: list[Span]) -> list[Span]:
    """Returns the spans right below one."""
    return [span for span in spans if span.trace_id == parent.trace_id and span.parent_span_id == parent.span_id]


def attributes(message: Any) -> dict[str, Any]:
    """Returns attributes as plain values."""
    return {pair.key: plain(pair.value) for pair in message.attributes}


def plain(value: Any) -> Any:
    """Returns a value of an attribute."""
    kind = value.WhichOneof("value")
    return [plain(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)
