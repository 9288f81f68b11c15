"""The access log: a line of JSON for each call, without keys, bodies and certificates."""

from gapura_envoy.local_replies import NOT_REST, REST, both
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
# For REST Envoy would guess it from the HTTP status: INTERNAL for whatever is 400, UNAVAILABLE for 429 and 504.
REST_FIELDS = {name: value for name, value in FIELDS.items() if name != "grpc_status"}
HUNDREDTHS = 100


def compose_access_logs(settings: EdgeSettings) -> list[Config]:
    """Returns the log, if there is to be one: one file, of lines in two forms."""
    if settings.log is None:
        return []
    percent = settings.access_log_percent
    return [
        log_of(str(settings.log), FIELDS, chosen(NOT_REST, percent)),
        log_of(str(settings.log), REST_FIELDS, chosen(REST, percent)),
    ]


def log_of(path: str, fields: dict[str, str], which: Config) -> Config:
    """Returns the log of some calls."""
    log = extension(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format={"json_format": fields},
    )
    return log | {"filter": which}


def chosen(kind: Config, percent: float) -> Config:
    """Returns which calls of a kind are logged: failed ones and those with a trace, and a share of the others."""
    if percent >= HUNDREDTHS:
        return kind
    sampled = {"numerator": round(percent * HUNDREDTHS), "denominator": "TEN_THOUSAND"}
    wanted = [
        {"grpc_status_filter": {"statuses": ["OK"], "exclude": True}},
        {"header_filter": {"header": {"name": "traceparent", "present_match": True}}},
        {"runtime_filter": {"runtime_key": "gapura.access_log", "percent_sampled": sampled}},
    ]
    return both(kind, {"or_filter": {"filters": wanted}})
