"""The words of gRPC and of the semantic conventions for what a call ended with."""

CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)

# Codes by which a server says that it failed, rather than that the caller asked for too much or for nothing that is.
# https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
SERVER_ERROR_NAMES = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
SERVER_ERRORS = frozenset(map(CODES.index, SERVER_ERROR_NAMES))


def service_and_method(path: str) -> tuple[str, str]:
    """Takes `/package.Service/Method` apart."""
    service, _, method = path.removeprefix("/").rpartition("/")
    return service, method
