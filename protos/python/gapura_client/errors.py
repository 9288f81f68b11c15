"""The errors of calls: one tree, with a subclass for each thing that a caller can do about one."""

from collections.abc import Iterator, Mapping
from typing import Any

import grpc

from gapura_client.diagnosis import diagnose
from gapura_client.status_details import FieldViolation, read_details


class GapuraError(grpc.aio.AioRpcError):
    """A call failed. Codes without a subclass of their own raise this one.

    It is a `grpc.RpcError` and, for asyncio code, a `grpc.aio.AioRpcError`: `code()`, `details()` and
    `trailing_metadata()` answer what gRPC's own error would. It can be pickled.

    Attributes:
        reason: Name of `erpml.types.v1.ErrorReason` without its prefix, such as `INVALID_FIELD`. Where gRPC itself
            failed the call, a name of this library, such as `CONNECTION_FAILED`, or the empty string.
        metadata: What belongs to the reason, such as `model`. Read-only.
        violations: The request fields that need a change, and what they need.
        retry_after_seconds: How long to wait before trying again; None when the server does not say.
        advice: What to change, where the server did not say it; else empty.

    Example:
        >>> try:
        ...     stub.ScoreCredit(request)
        ... except GapuraError as error:
        ...     log.warning("scoring failed", code=error.code().name, reason=error.reason)
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        initial_metadata: grpc.aio.Metadata | None = None,
        trailing_metadata: grpc.aio.Metadata | None = None,
        details: str | None = None,
        debug_error_string: str | None = None,
    ) -> None:
        super().__init__(code, initial_metadata, trailing_metadata, details, debug_error_string)
        status = read_details(trailing_metadata)
        diagnosis = None if status.reason else diagnose(code, details or "")
        self.reason: str = diagnosis.reason if diagnosis else status.reason
        self.advice: str = diagnosis.advice if diagnosis else ""
        self.metadata: Mapping[str, str] = status.metadata
        self.violations: tuple[FieldViolation, ...] = status.violations
        self.retry_after_seconds: float | None = status.retry_after_seconds

    def __str__(self) -> str:
        """Reads `CODE REASON: message`, then a line for each thing to know that the message does not say."""
        title = " ".join(filter(None, (self.code().name, self.reason)))
        return "\n  ".join((f"{title}: {self.details() or 'no message'}", *self._remarks()))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __reduce__(self) -> tuple[type["GapuraError"], tuple[Any, ...]]:
        """Pickles plain metadata: a blocking call's own cannot be pickled."""
        initial, trailing = (
            None if metadata is None else tuple((key, value) for key, value in metadata)
            for metadata in (self.initial_metadata(), self.trailing_metadata())
        )
        return type(self), (self.code(), initial, trailing, self.details(), self.debug_error_string())

    def _remarks(self) -> Iterator[str]:
        told = self.details() or ""
        lines = (f"{violation.field}: {violation.description}" for violation in self.violations)
        yield from (line for line in lines if line not in told)
        if self.retry_after_seconds is not None:
            yield f"try again in {self.retry_after_seconds:g} s"
        if self.advice:
            yield self.advice


class InvalidArgument(GapuraError):
    """INVALID_ARGUMENT. Change the request; `violations` names the fields."""


class Unauthenticated(GapuraError):
    """UNAUTHENTICATED. Send a valid API key."""


class PermissionDenied(GapuraError):
    """PERMISSION_DENIED. Ask for access; `metadata` names the tenant and the model."""


class NotFound(GapuraError):
    """NOT_FOUND. Check the model's name and version."""


class DeadlineExceeded(GapuraError):
    """DEADLINE_EXCEEDED. Allow the call more time, or send less."""


class Overloaded(GapuraError):
    """RESOURCE_EXHAUSTED. Slow down for `retry_after_seconds`.

    With the reason `MESSAGE_TOO_LARGE` waiting does not help: send less in one call.
    """


class Unavailable(GapuraError):
    """UNAVAILABLE. Try again later; the channel has already tried again."""


class Unimplemented(GapuraError):
    """UNIMPLEMENTED. Call a gateway that serves the method."""


class Internal(GapuraError):
    """INTERNAL, UNKNOWN or DATA_LOSS. Report it: neither request nor caller is at fault."""


CLASSES: dict[grpc.StatusCode, type[GapuraError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
    grpc.StatusCode.INTERNAL: Internal,
    grpc.StatusCode.UNKNOWN: Internal,
    grpc.StatusCode.DATA_LOSS: Internal,
}


def error_from(error: Any) -> GapuraError:
    """Translates gRPC's own error, of a blocking or an asyncio call that has ended."""
    return CLASSES.get(error.code(), GapuraError)(
        error.code(),
        error.initial_metadata(),
        error.trailing_metadata(),
        error.details(),
        error.debug_error_string(),
    )
