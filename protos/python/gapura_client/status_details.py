"""Reads the rich part of a gRPC status: `google.rpc.Status` in the trailing metadata."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

DETAILS_KEY = "grpc-status-details-bin"
REASON_PREFIX = "ERROR_REASON_"
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One request field and what is wrong with it.

    Attributes:
        field: Path of the field, as in `age_years` or `prices[3].amount_minor`.
        description: What the field needs.
    """

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class StatusDetails:
    """What a server says about a failure beyond its code and message.

    Attributes:
        reason: Name of the cause without its prefix, such as `INVALID_FIELD`; empty when there is none.
        metadata: What belongs to the reason, such as the model.
        violations: Fields that need a change.
        retry_after_seconds: When to try again; None when the server does not say.
    """

    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    violations: tuple[FieldViolation, ...] = ()
    retry_after_seconds: float | None = None


def read_details(trailing_metadata: Iterable[tuple[str, str | bytes]] | None) -> StatusDetails:
    """Returns the details in a call's trailing metadata; empty ones where it has none that can be read."""
    try:
        return _details(Status.FromString(_encoded(trailing_metadata)))
    except DecodeError:
        return StatusDetails()


def _encoded(trailing_metadata: Iterable[tuple[str, str | bytes]] | None) -> bytes:
    found = dict(trailing_metadata or ()).get(DETAILS_KEY, b"")
    return found if isinstance(found, bytes) else found.encode()


def _details(status: Status) -> StatusDetails:
    info = next(_unpacked(status, ErrorInfo), ErrorInfo())
    waits = [
        retry.retry_delay.ToNanoseconds() / 1e9
        for retry in _unpacked(status, RetryInfo)
        if retry.HasField("retry_delay")
    ]
    return StatusDetails(
        reason=info.reason.removeprefix(REASON_PREFIX),
        metadata=MappingProxyType(dict(info.metadata)),
        violations=tuple(
            FieldViolation(violation.field, violation.description)
            for request in _unpacked(status, BadRequest)
            for violation in request.field_violations
        ),
        retry_after_seconds=waits[0] if waits else None,
    )


def _unpacked(status: Status, kind: type[M]) -> Iterator[M]:
    for detail in status.details:
        message = kind()
        if detail.Unpack(message):
            yield message
