"""The statuses that gateways answer with, and the error that each becomes."""

import gapura_client
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc import StatusCode

from tests.client.credit_server import RichStatus, rich_status

CLASSES = {
    StatusCode.INVALID_ARGUMENT: gapura_client.InvalidArgument,
    StatusCode.UNAUTHENTICATED: gapura_client.Unauthenticated,
    StatusCode.PERMISSION_DENIED: gapura_client.PermissionDenied,
    StatusCode.NOT_FOUND: gapura_client.NotFound,
    StatusCode.DEADLINE_EXCEEDED: gapura_client.DeadlineExceeded,
    StatusCode.RESOURCE_EXHAUSTED: gapura_client.Overloaded,
    StatusCode.UNAVAILABLE: gapura_client.Unavailable,
    StatusCode.UNIMPLEMENTED: gapura_client.Unimplemented,
    StatusCode.INTERNAL: gapura_client.Internal,
    StatusCode.UNKNOWN: gapura_client.Internal,
    StatusCode.DATA_LOSS: gapura_client.Internal,
    StatusCode.FAILED_PRECONDITION: gapura_client.GapuraError,
}


def invalid_fields() -> RichStatus:
    """Two fields need a change."""
    fields = [
        BadRequest.FieldViolation(field="age_years", description="must be from 0 to 150"),
        BadRequest.FieldViolation(field="debt_ratio", description="must be finite"),
    ]
    info = ErrorInfo(reason="INVALID_FIELD", domain="gapura", metadata={"method": "ScoreCredit"})
    details = (info, BadRequest(field_violations=fields))
    return rich_status(StatusCode.INVALID_ARGUMENT, "2 fields need a change", *details)


def queue_full() -> RichStatus:
    """Too much waits already."""
    info = ErrorInfo(reason="ERROR_REASON_QUEUE_FULL", domain="gapura", metadata={"limit": "2048"})
    retry = RetryInfo(retry_delay=Duration(nanos=250_000_000))
    return rich_status(StatusCode.RESOURCE_EXHAUSTED, "the queue is full", info, retry)
