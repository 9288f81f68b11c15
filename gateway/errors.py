"""Every error that a call or an operator can meet: one tree, by what to do about it; no transport here.

A reason is a name of `erpml.types.v1.ErrorReason` without its prefix.
"""

from collections.abc import Sequence


class GatewayError(Exception):
    """A fault that is told to somebody.

    Args:
        reason: Machine-readable reason.
        message: What happened and what to change.
        metadata: What the message speaks of, such as the model.
    """

    def __init__(self, reason: str, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = metadata


class InvalidRequest(GatewayError):
    """The caller must change the request."""


class InvalidFields(InvalidRequest):
    """The caller must change the named fields.

    Args:
        violations: Pairs of a field and what it needs.
    """

    def __init__(self, violations: Sequence[tuple[str, str]]) -> None:
        told = "; ".join(f"{field}: {need}" for field, need in violations)
        super().__init__("INVALID_FIELD", f"invalid request: {told}")
        self.violations = tuple(violations)


class Unauthenticated(GatewayError):
    """The caller must say who it is."""


class PermissionDenied(GatewayError):
    """The caller must ask for more rights."""


class NotFound(GatewayError):
    """The caller names something that does not exist."""


class Unimplemented(GatewayError):
    """The caller wants something that is not served."""


class Decoupled(Unimplemented):
    """The caller must use a stream: the model sends several responses to a request, or none."""

    def __init__(self) -> None:
        super().__init__(
            "FEATURE_NOT_SERVED", "ModelInfer RPC doesn't support models with decoupled transaction policy"
        )


class Unavailable(GatewayError):
    """The caller may try another replica, or later."""


class Overloaded(GatewayError):
    """The caller must slow down.

    Args:
        reason: Machine-readable reason.
        message: What happened and what to change.
        retry_after_ms: When trying again makes sense.
        metadata: What the message speaks of.
    """

    def __init__(self, reason: str, message: str, *, retry_after_ms: int, **metadata: str) -> None:
        super().__init__(reason, message, **metadata)
        self.retry_after_ms = retry_after_ms


class TooLarge(GatewayError):
    """The caller must send less in one call; to wait does not help."""


class DeadlineExceeded(GatewayError):
    """The caller must allow more time."""


class ModelFailed(GatewayError):
    """The model did not answer; nothing that the caller can change.

    Args:
        model: Registered name.
        version: Version in the registry.
        problem: What it did, as the rest of a sentence about the version.
    """

    def __init__(self, model: str, version: int, problem: str) -> None:
        message = f"model '{model}' version {version} {problem}"
        super().__init__("MODEL_FAILED", message, model=model, version=str(version))


class ConfigurationError(GatewayError):
    """An operator must change a setting or a file.

    Args:
        message: What is wrong and what to change.
        metadata: What the message speaks of.
    """

    REASON = "INTERNAL"

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(self.REASON, message, **metadata)


class CatalogError(ConfigurationError):
    """The catalog, or a model that it names, cannot be served."""

    REASON = "MODEL_NOT_SERVED"


class ContractError(ConfigurationError):
    """A typed method does not fit the model that answers it."""

    REASON = "MODEL_NOT_SERVED"
