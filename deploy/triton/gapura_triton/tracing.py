"""Triton's own spans: where it sends them, and which calls have any.

It traces a call that comes with a `traceparent`, and no other (`rate=0`): the gateway sends one with the batches whose
calls were chosen to be traced, so that Triton's spans belong to the trace of the batch. It speaks OTLP over HTTP alone.
"""

import os
from collections.abc import Mapping

HTTP = "http/protobuf"


def trace_options(name: str, variables: Mapping[str, str] = os.environ) -> list[str]:
    """Returns what a server is told of tracing; `name` is that of its node."""
    url = trace_url(variables)
    if not url:
        return ["--trace-config=rate=0"]
    settings = (
        "mode=opentelemetry",
        f"opentelemetry,url={url}",
        "opentelemetry,resource=service.name=triton",
        f"opentelemetry,resource=service.instance.id={name}",
        "level=TIMESTAMPS",
        "rate=0",
    )
    return [f"--trace-config={setting}" for setting in settings]


def trace_url(variables: Mapping[str, str]) -> str:
    """Returns where spans go: `GAPURA_TRITON_TRACE_URL`, or the gateway's own endpoint for traces if it speaks HTTP."""
    own = variables.get("GAPURA_TRITON_TRACE_URL", "")
    if own:
        return own
    protocol = variables.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or variables.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    if protocol.strip().lower() != HTTP:
        return ""
    traces = variables.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    every = variables.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    return traces or (f"{every.rstrip('/')}/v1/traces" if every else "")
