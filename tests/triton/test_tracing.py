"""A node that is told where to send spans traces the calls that ask for it, in the trace of their caller."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from gapura_triton.tracing import trace_options, trace_url
from tritonclient.grpc import service_pb2

from tests.triton.calls import pack
from tests.triton.nodes import running_node, stub_of, wait_until
from tests.triton.repositories import write_sums

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
URL = "http://127.0.0.1:4318"

Span = dict[str, Any]


@contextmanager
def running_collector() -> Iterator[tuple[list[dict[str, Any]], str]]:
    """Takes OTLP over HTTP as JSON, on loopback; yields the requests and the URL for traces."""
    requests: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield requests, f"http://127.0.0.1:{server.server_port}/v1/traces"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def call(stub: Any, traceparent: str | None) -> None:
    """Has one row added up."""
    row = np.ones((1, 3))
    request = service_pb2.ModelInferRequest(model_name="sums", raw_input_contents=[pack(row)])
    request.inputs.add(name="x", datatype="FP64", shape=row.shape)
    stub.ModelInfer(request, timeout=20, metadata=(("traceparent", traceparent),) if traceparent else None)


def spans_of(requests: Sequence[dict[str, Any]]) -> list[Span]:
    """Returns all spans of requests."""
    return [
        span
        for request in requests
        for told in request["resourceSpans"]
        for part in told["scopeSpans"]
        for span in part["spans"]
    ]


def test_spans_of_a_node_belong_to_the_trace_of_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sums(tmp_path / "models")
    with running_collector() as (requests, url):
        monkeypatch.setenv("GAPURA_TRITON_TRACE_URL", url)
        with running_node(tmp_path / "models", tmp_path / "traced") as node, stub_of(node.address) as stub:
            for _ in range(5):
                call(stub, None)
            call(stub, f"00-{TRACE}-{SPAN}-01")
            wait_until(lambda: bool(spans_of(requests)), 30)
        spans = spans_of(requests)  # a node that stops sends what it has
    assert {span["traceId"] for span in spans} == {TRACE}
    assert {"InferRequest", "sums", "compute"} <= {span["name"] for span in spans}
    (root,) = (span for span in spans if span["parentSpanId"] == SPAN)
    assert root["name"] == "InferRequest"
    told = {
        pair["key"]: pair["value"].get("stringValue")
        for request in requests
        for each in request["resourceSpans"]
        for pair in each["resource"]["attributes"]
    }
    assert (told["service.name"], told["service.instance.id"]) == ("triton", "traced")


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, ""),
        ({"GAPURA_TRITON_TRACE_URL": f"{URL}/own"}, f"{URL}/own"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL}, ""),  # over gRPC, which Triton does not speak
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{URL}/", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            f"{URL}/v1/traces",
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{URL}/t", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            f"{URL}/t",
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": URL,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
            },
            "",
        ),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, ""),
    ],
)
def test_spans_go_where_the_variables_say(variables: dict[str, str], url: str) -> None:
    assert trace_url(variables) == url


def test_a_node_that_is_told_nothing_traces_nothing() -> None:
    assert trace_options("node1", {}) == ["--trace-config=rate=0"]
