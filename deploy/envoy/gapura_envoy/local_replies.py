"""What callers are told by Envoy itself: a gRPC status, or `google.rpc.Status` as JSON, as workers' errors are."""

from typing import Final

from gapura_envoy.settings import EdgeSettings
from gapura_envoy.shapes import Config

JSON: Final = "application/json"
TOLD: Final = "%LOCAL_REPLY_BODY%"
INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"
DOMAIN: Final = "gapura"

# HTTP statuses that Envoy answers with, and gRPC's code of each (google/rpc/code.proto).
CODES: Final = {
    400: 3,
    401: 16,
    403: 7,
    404: 5,
    408: 4,
    413: 8,
    415: 12,
    429: 8,
    431: 8,
    500: 13,
    501: 12,
    502: 14,
    503: 14,
    504: 4,
}
UNKNOWN: Final = 2
UNKNOWN_STATUS: Final = 599
FIRST_ERROR: Final = 400

# `erpml.types.v1.ErrorReason` of each; INTERNAL otherwise.
REASONS: Final = {
    400: "MALFORMED_MESSAGE",
    404: "METHOD_UNKNOWN",
    408: "DEADLINE_EXCEEDED",
    413: "MESSAGE_TOO_LARGE",
    415: "FEATURE_NOT_SERVED",
    431: "MESSAGE_TOO_LARGE",
    503: "GATEWAY_BUSY",
    504: "DEADLINE_EXCEEDED",
}

# Those that Envoy has another code for where callers speak gRPC.
GRPC_CODES: Final = {400: 3, 413: 8, 415: 12, 431: 8}

GRPC: Final[Config] = {
    "header_filter": {"header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}}
}
REST: Final[Config] = {"header_filter": {"header": {"name": "x-envoy-original-path", "present_match": True}}}
NOT_REST: Final[Config] = {
    "header_filter": {"header": {"name": "x-envoy-original-path", "present_match": True, "invert_match": True}}
}


def compose_local_replies(settings: EdgeSettings) -> Config:
    """Returns the forms of answers; the first that fits counts."""
    words = {413: f"the message is larger than the {settings.message_mib} MiB that are taken"}
    mappers = [
        *(grpc_mapper(status, code, words.get(status, TOLD)) for status, code in GRPC_CODES.items()),
        {"filter": both(GRPC, NOT_REST), "body_format_override": text(TOLD)},
        {"filter": below(FIRST_ERROR), "body_format_override": text(TOLD)},
        *({"filter": is_status(each), "body_format_override": json(each, words.get(each, TOLD))} for each in CODES),
    ]
    return {"mappers": mappers, "body_format": json(UNKNOWN_STATUS, TOLD)}


def grpc_mapper(status: int, code: int, told: str) -> Config:
    """Gives an answer with one HTTP status, to callers who speak gRPC, a code."""
    header = {"header": {"key": "grpc-status", "value": str(code)}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        "filter": both(is_status(status), GRPC, NOT_REST),
        "headers_to_add": [header],
        "body_format_override": text(told),
    }


def is_status(status: int) -> Config:
    """Returns what fits answers with one HTTP status."""
    value = {"default_value": status, "runtime_key": f"gapura.status_{status}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def below(status: int) -> Config:
    """Returns what fits answers with a lower HTTP status."""
    value = {"default_value": status - 1, "runtime_key": f"gapura.status_below_{status}"}
    return {"status_code_filter": {"comparison": {"op": "LE", "value": value}}}


def both(*filters: Config) -> Config:
    """Returns what fits where all of them do."""
    return {"and_filter": {"filters": list(filters)}}


def text(told: str) -> Config:
    """Returns a form that is the message alone."""
    return {"text_format_source": {"inline_string": told}}


def json(status: int, told: str) -> Config:
    """Returns a form that is a `google.rpc.Status` with its reason."""
    info = {"@type": INFO, "reason": REASONS.get(status, "INTERNAL"), "domain": DOMAIN, "metadata": {}}
    return {
        "json_format": {"code": CODES.get(status, UNKNOWN), "message": told, "details": [info]},
        "content_type": JSON,
    }
