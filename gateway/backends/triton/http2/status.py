"""What a server says that it became of a call, as a gRPC status.

Source: "gRPC over HTTP2", sections Responses and Errors, and doc/http-grpc-status-mapping.md of grpc/grpc.
"""

from collections.abc import Mapping
from urllib.parse import unquote

from grpc import StatusCode

from gateway.backends.triton.http2.frames import CANCEL, ENHANCE_YOUR_CALM, REFUSED_STREAM

CODES: Mapping[str, StatusCode] = {str(code.value[0]): code for code in StatusCode}

HTTP_CODES: Mapping[str, StatusCode] = {
    "400": StatusCode.INTERNAL,
    "401": StatusCode.UNAUTHENTICATED,
    "403": StatusCode.PERMISSION_DENIED,
    "404": StatusCode.UNIMPLEMENTED,
    "429": StatusCode.UNAVAILABLE,
    "502": StatusCode.UNAVAILABLE,
    "503": StatusCode.UNAVAILABLE,
    "504": StatusCode.UNAVAILABLE,
}

RESET_CODES: Mapping[int, StatusCode] = {
    REFUSED_STREAM: StatusCode.UNAVAILABLE,
    CANCEL: StatusCode.CANCELLED,
    ENHANCE_YOUR_CALM: StatusCode.RESOURCE_EXHAUSTED,
}

Status = tuple[StatusCode, str]


def read_status(fields: Mapping[str, str]) -> Status:
    """Reads the headers and trailers of an answer that has ended."""
    told = fields.get("grpc-status")
    if told is not None:
        return CODES.get(told, StatusCode.UNKNOWN), unquote(fields.get("grpc-message", ""))
    http = fields.get(":status", "")
    return HTTP_CODES.get(http, StatusCode.UNKNOWN), f"an answer without a gRPC status, HTTP status {http or 'none'}"


def read_reset(error: int) -> Status:
    """Reads the error code of a stream that the server has cut off."""
    return RESET_CODES.get(error, StatusCode.INTERNAL), f"RST_STREAM with error code {error}"
