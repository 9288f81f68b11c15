"""What the standard environment variables of OpenTelemetry say of where to export to.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/ - all others of them are read by the SDK itself.
"""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple

from gateway.errors import ConfigurationError

GRPC, HTTP = "grpc", "http/protobuf"
PACKAGES = {GRPC: "opentelemetry.exporter.otlp.proto.grpc", HTTP: "opentelemetry.exporter.otlp.proto.http"}
METRIC_SECONDS, LEAST_METRIC_SECONDS = 60.0, 0.1
MOST_SPANS = 20_000


class Wanted(NamedTuple):
    """What is to be exported.

    Attributes:
        traces: Protocol for traces; empty if they are not exported.
        metrics: Protocol for metrics, as above.
        metric_seconds: Between exports of metrics.
        most_spans: That wait for their export.
    """

    traces: str
    metrics: str
    metric_seconds: float = METRIC_SECONDS
    most_spans: int = MOST_SPANS


def read_variables(variables: Mapping[str, str] = os.environ) -> Wanted | None:
    """Reads what is to be exported; None if no endpoint is named.

    Raises:
        ConfigurationError: A variable is not valid, or what it asks for is not installed.
    """
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    traces, metrics = _protocol(variables, "TRACES"), _protocol(variables, "METRICS")
    if not traces and not metrics:
        return None
    interval = _number(variables, "OTEL_METRIC_EXPORT_INTERVAL", METRIC_SECONDS * 1000) / 1000
    most_spans = int(_number(variables, "OTEL_BSP_MAX_QUEUE_SIZE", MOST_SPANS))
    for signal in ("", "TRACES_", "METRICS_"):
        _number(variables, f"OTEL_EXPORTER_OTLP_{signal}TIMEOUT", 1)
    return Wanted(traces, metrics, max(interval, LEAST_METRIC_SECONDS), most_spans)


def _protocol(variables: Mapping[str, str], signal: str) -> str:
    """Returns by which protocol a signal is exported; nothing if it is not.

    Raises:
        ConfigurationError: There is no such protocol here.
    """
    if variables.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() == "none":
        return ""
    if not (variables.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or variables.get("OTEL_EXPORTER_OTLP_ENDPOINT")):
        return ""
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = variables.get(name, "").strip().lower()
        if protocol and protocol not in PACKAGES:
            raise ConfigurationError(f"{name}: '{protocol}' is not one of {', '.join(PACKAGES)}")
        if protocol:
            break
    protocol = protocol or GRPC
    if not _is_installed("opentelemetry.sdk") or not _is_installed(PACKAGES[protocol]):
        raise ConfigurationError("export over OTLP is not installed: pip install 'gapura[otlp]'")
    return protocol


def _is_installed(module: str) -> bool:
    """Says whether a module can be imported, without doing so: that takes a third of a second."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _number(variables: Mapping[str, str], name: str, default: float) -> float:
    """Reads a positive number.

    Raises:
        ConfigurationError: It is none.
    """
    text = variables.get(name, "").strip()
    try:
        number = float(text) if text else default
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise ConfigurationError(f"{name}: '{text}' is not a positive number")
    return number
