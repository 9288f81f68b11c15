"""Errors on the wire: each has a code and a published reason, and none is too long for a client to receive."""

import re
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
from erpml.types.v1 import error_reason_pb2
from google.rpc import error_details_pb2, status_pb2

import gateway
from gateway import errors
from gateway.edge.status import wire_status

PUBLISHED = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()}  # noqa: SIM118 - not a mapping
RAISED = re.compile(
    r"(?:Invalid\w*|Unauth\w*|Permission\w*|NotFound|Unimpl\w*|Unavail\w*|Overloaded|Deadline\w*|\w+Failed|\w+Error)\(\s*\"([A-Z_]+)\""
)
OF_CLASS = re.compile(r"(?:REASON = |super\(\)\.__init__\(\s*)\"([A-Z_]+)\"")


def test_every_reason_that_the_code_gives_is_published() -> None:
    sources = [path.read_text() for path in Path(gateway.__file__).parent.rglob("*.py")]
    given = {reason for source in sources for form in (RAISED, OF_CLASS) for reason in form.findall(source)}
    assert len(given) >= 10
    assert given <= PUBLISHED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidFields([("age", "is required")]), grpc.StatusCode.INVALID_ARGUMENT),
        (errors.Unauthenticated("API_KEY_MISSING", ""), grpc.StatusCode.UNAUTHENTICATED),
        (errors.PermissionDenied("MODEL_NOT_ALLOWED", ""), grpc.StatusCode.PERMISSION_DENIED),
        (errors.NotFound("MODEL_UNKNOWN", ""), grpc.StatusCode.NOT_FOUND),
        (errors.Unimplemented("METHOD_UNKNOWN", ""), grpc.StatusCode.UNIMPLEMENTED),
        (errors.Unavailable("MODEL_NOT_SERVED", ""), grpc.StatusCode.UNAVAILABLE),
        (errors.Overloaded("QUEUE_FULL", "", retry_after_ms=50), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (errors.DeadlineExceeded("DEADLINE_EXCEEDED", ""), grpc.StatusCode.DEADLINE_EXCEEDED),
        (errors.ModelFailed("team9_test", 1, "failed"), grpc.StatusCode.INTERNAL),
        (errors.GatewayError("INTERNAL", ""), grpc.StatusCode.INTERNAL),
    ],
)
def test_an_error_has_its_code_and_its_reason(error: errors.GatewayError, code: grpc.StatusCode) -> None:
    sent, _, ((_, packed),) = wire_status(error)
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(packed).details[0].Unpack(info)
    assert (sent, info.reason, info.domain) == (code, error.reason, "gapura")


def test_an_overloaded_caller_is_told_when_to_try_again() -> None:
    _, _, ((_, packed),) = wire_status(errors.Overloaded("QUEUE_FULL", "", retry_after_ms=50))
    retry = error_details_pb2.RetryInfo()
    assert status_pb2.Status.FromString(packed).details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 50


def test_text_that_a_caller_chose_cannot_make_a_status_too_long_to_receive() -> None:
    error = errors.InvalidFields([("x" * 60, "ü" * 10_000)] * 1_000)
    error.metadata |= {"model": "\N{GRINNING FACE}" * 100_000, "tensor": "z" * 100_000}
    _, message, ((_, packed),) = wire_status(error)
    assert len(quote(message)) + len(b64encode(packed)) < 8_000
