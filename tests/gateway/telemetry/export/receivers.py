"""Receivers: one that keeps what it is sent, and Rotel, a collector that was written by others, in Rust."""

import gzip
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE_SECONDS = 30.0


@dataclass
class Received:
    """What came.

    Attributes:
        traces: Requests with spans.
        metrics: Requests with metrics.
        status: What they are answered with.
    """

    traces: list[ExportTraceServiceRequest] = field(default_factory=list)
    metrics: list[ExportMetricsServiceRequest] = field(default_factory=list)
    status: int = 200

    def spans(self) -> list[Span]:
        """Returns every span."""
        return [
            span
            for request in self.traces
            for told in request.resource_spans
            for part in told.scope_spans
            for span in part.spans
        ]

    def families(self) -> list[Metric]:
        """Returns every metric of every request."""
        return [
            metric
            for request in self.metrics
            for told in request.resource_metrics
            for part in told.scope_metrics
            for metric in part.metrics
        ]

    def points(self) -> list[tuple[Metric, Any]]:
        """Returns every point, with its metric."""
        return [
            (metric, point)
            for metric in self.families()
            for point in getattr(metric, metric.WhichOneof("data") or "").data_points
        ]

    def take(self, path: str, content: bytes) -> None:
        """Keeps a request.

        Raises:
            google.protobuf.message.DecodeError: It is none.
        """
        if path == "/v1/traces":
            self.traces.append(ExportTraceServiceRequest.FromString(content))
        else:
            assert path == "/v1/metrics"
            self.metrics.append(ExportMetricsServiceRequest.FromString(content))


@contextmanager
def running_receiver(port: int = 0) -> Iterator[tuple[Received, str]]:
    """Receives OTLP over HTTP on loopback; yields what comes, and its URL."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                content = gzip.decompress(content)
            if received.status == 200:
                received.take(self.path, content)
            self.send_response(received.status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield received, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def running_rotel(folder: Path, ports: Mapping[str, int] | None = None) -> Iterator[tuple[Received, dict[str, str]]]:
    """Runs Rotel; yields what it understood and passed on, and its endpoints by protocol."""
    ports = ports or {"grpc": free_port(), "http/protobuf": free_port()}
    with running_receiver() as (received, url):
        command = [rotel_agent(), "start", "--pid-file", str(folder / "pid"), "--batch-timeout", "50ms"]
        command += ["--otlp-grpc-endpoint", f"127.0.0.1:{ports['grpc']}"]
        command += ["--otlp-http-endpoint", f"127.0.0.1:{ports['http/protobuf']}"]
        command += ["--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", url]
        with (folder / "rotel.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "RUST_LOG": "info"})
        try:
            for port in ports.values():
                wait_until(lambda port=port: is_open(port))  # type: ignore[misc]
            yield received, {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def rotel_agent() -> str:
    """Returns the collector's path, without importing the package, which starts one."""
    found = find_spec("rotel")
    assert found is not None
    assert found.submodule_search_locations
    return f"{found.submodule_search_locations[0]}/rotel-agent"


def free_port() -> int:
    """Returns a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def is_open(port: int) -> bool:
    """Says whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Waits for something to come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.02)
