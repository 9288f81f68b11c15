"""The access log: a line of JSON for each call, without keys, bodies and certificates."""

from gapura_envoy.settings import EdgeSettings
from gapura_envoy.shapes import Config, extension

FIELDS = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "traceparent": "%REQ(TRACEPARENT)%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "rpc": "%REQ(:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS(SNAKE_STRING)%",
    "flags": "%RESPONSE_FLAGS%",
    "reason": "%RESPONSE_CODE_DETAILS%",
    "milliseconds": "%DURATION%",
    "request_milliseconds": "%REQUEST_DURATION%",
    "worker_milliseconds": "%RESPONSE_DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "worker": "%UPSTREAM_HOST%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "caller": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "user_agent": "%REQ(USER-AGENT)%",
}
HUNDREDTHS = 100


def compose_access_logs(settings: EdgeSettings) -> list[Config]:
    """Returns the log, if there is to be one."""
    if settings.log is None:
        return []
    log = extension(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=str(settings.log),
        log_format={"json_format": FIELDS},
    )
    return [log | chosen(settings.access_log_percent)]


def chosen(percent: float) -> Config:
    """Returns which calls are logged: failed ones and those with a trace, and a share of the others."""
    if percent >= HUNDREDTHS:
        return {}
    sampled = {"numerator": round(percent * HUNDREDTHS), "denominator": "TEN_THOUSAND"}
    wanted = [
        {"grpc_status_filter": {"statuses": ["OK"], "exclude": True}},
        {"header_filter": {"header": {"name": "traceparent", "present_match": True}}},
        {"runtime_filter": {"runtime_key": "gapura.access_log", "percent_sampled": sampled}},
    ]
    return {"filter": {"or_filter": {"filters": wanted}}}
