"""Maps errors to gRPC codes and `google.rpc` details: the only place that knows both."""

from collections.abc import Iterator
from functools import lru_cache
from time import monotonic

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gateway.errors import (
    DeadlineExceeded,
    GatewayError,
    InvalidFields,
    InvalidRequest,
    ModelFailed,
    NotFound,
    Overloaded,
    PermissionDenied,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)

WireStatus = tuple[grpc.StatusCode, str, tuple[tuple[str, bytes]]]

# Callers round the time that they tell up, to two or three digits, and stop waiting without having rounded.
ROUNDING, LEAST_ROUNDING_SECONDS = 0.02, 0.01

DOMAIN = "gapura"
DETAILS_KEY = "grpc-status-details-bin"

# Clients drop a status whose metadata is over 8 KiB as it travels: messages percent-encoded, details in base64, each of
# them twice over. Callers choose some of the text.
MOST_BYTES = 400
MOST_MESSAGE_BYTES = 800
MOST_VIOLATION_BYTES = 120
MOST_VIOLATIONS = 12

# The most specific class that is listed decides.
CODES: dict[type[GatewayError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    ModelFailed: grpc.StatusCode.INTERNAL,
}


def wire_status(error: GatewayError) -> WireStatus:
    """Returns code, message and trailing metadata of an error."""
    if isinstance(error, Overloaded):  # many at a time, and while there is no time for them
        return wire_overload(error.reason, error.message, error.retry_after_ms, *error.metadata.items())
    if isinstance(error, Unauthenticated):  # as many as somebody likes to send
        return wire_stranger(error.reason, error.message, *error.metadata.items())
    return written(error)


@lru_cache(maxsize=4096)
def wire_overload(reason: str, message: str, retry_after_ms: int, *metadata: tuple[str, str]) -> WireStatus:
    """Returns the same of a refusal for too much load: packed once, 20 µs, for all that are alike."""
    return written(Overloaded(reason, message, retry_after_ms=retry_after_ms, **dict(metadata)))


@lru_cache(maxsize=256)
def wire_stranger(reason: str, message: str, *metadata: tuple[str, str]) -> WireStatus:
    """Returns the same of a refusal of a caller that is not known."""
    return written(Unauthenticated(reason, message, **dict(metadata)))


def written(error: GatewayError) -> WireStatus:
    """Packs an error."""
    return code_of(error), message_of(error), ((DETAILS_KEY, status_of(error)),)


def message_of(error: GatewayError) -> str:
    """Returns the message of an error, cut where it is too long for a status."""
    return shorten(error.message, MOST_MESSAGE_BYTES)


def code_of(error: GatewayError) -> grpc.StatusCode:
    """Returns the gRPC code of an error."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), grpc.StatusCode.INTERNAL)


def status_of(error: GatewayError) -> bytes:
    """Returns the serialised `google.rpc.Status` of an error."""
    status = status_pb2.Status(code=code_of(error).value[0], message=message_of(error))
    for detail in details_of(error):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return bytes(status.SerializeToString())


def details_of(error: GatewayError) -> Iterator[Message]:
    """Yields what a program may want to know of an error."""
    metadata = {name: shorten(value) for name, value in error.metadata.items()}
    yield error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    if isinstance(error, InvalidFields):
        yield error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(
                    field=field, description=shorten(need, MOST_VIOLATION_BYTES)
                )
                for field, need in error.violations[:MOST_VIOLATIONS]
            ]
        )
    if isinstance(error, Overloaded):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(error.retry_after_ms)
        yield retry


def shorten(text: str, most: int = MOST_BYTES) -> str:
    """Cuts text that would not fit a status, by its bytes in UTF-8."""
    return text if len(text.encode()) <= most else text.encode()[:most].decode("utf-8", "ignore") + "..."


def code_of_leaving(received: float, deadline: float | None) -> int:
    """Returns the number of the code of a call whose caller has gone: it left, or its deadline had passed.

    Args:
        received: When the call came, in seconds of the event loop's clock.
        deadline: When it would stop waiting, or None.
    """
    if deadline is None or monotonic() < deadline - max(LEAST_ROUNDING_SECONDS, ROUNDING * (deadline - received)):
        return number_of(grpc.StatusCode.CANCELLED)
    return number_of(grpc.StatusCode.DEADLINE_EXCEEDED)


def number_of(code: grpc.StatusCode) -> int:
    """Returns the number of a code on the wire."""
    return int(code.value[0])
