"""The standard variables say what is exported; one that is not valid is told at the start, not found out at night."""

import subprocess
import sys

import pytest

from gateway.errors import ConfigurationError
from gateway.telemetry.export.variables import GRPC, HTTP, Wanted, read_variables

BOTH = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}
TRACES = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}

IMPORTS_NOTHING = """
import sys
from gateway.telemetry.export.exporter import open_exporter
assert open_exporter(None, "", list, list, print) is None
sys.exit(any(name.startswith(("opentelemetry.sdk", "opentelemetry.exporter.otlp")) for name in sys.modules))
"""


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, None),
        (BOTH | {"OTEL_SDK_DISABLED": "TRUE"}, None),
        (BOTH | {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}, None),
        (BOTH, Wanted(GRPC, GRPC, 60, 20_000)),
        (BOTH | {"OTEL_METRICS_EXPORTER": "none"}, Wanted(GRPC, "", 60, 20_000)),
        (BOTH | {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf"}, Wanted(GRPC, HTTP, 60, 20_000)),
        (BOTH | {"OTEL_METRIC_EXPORT_INTERVAL": "5000"}, Wanted(GRPC, GRPC, 5, 20_000)),
        (BOTH | {"OTEL_BSP_MAX_QUEUE_SIZE": "100"}, Wanted(GRPC, GRPC, 60, 100)),
        (TRACES, Wanted(GRPC, "", 60, 20_000)),
        (TRACES | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, Wanted(HTTP, "", 60, 20_000)),
    ],
)
def test_variables_say_what_goes_where(variables: dict[str, str], wanted: Wanted | None) -> None:
    assert read_variables(variables) == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "thrift"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "often"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "ten"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "inf"),
    ],
)
def test_a_variable_that_is_not_valid_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: '{value}'"):
        read_variables(BOTH | {name: value})


def test_a_process_that_exports_nothing_imports_nothing_of_it() -> None:
    environment = {"PATH": "/usr/bin"}
    assert subprocess.run([sys.executable, "-c", IMPORTS_NOTHING], env=environment, check=False).returncode == 0
