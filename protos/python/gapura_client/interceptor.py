"""Gives blocking calls their defaults, and unary ones their typed errors."""

from dataclasses import dataclass
from typing import Any

import grpc

from gapura_client.settings import CallDefaults
from gapura_client.typed_call import TypedCall


@dataclass(frozen=True, slots=True)
class CompletedDetails(grpc.ClientCallDetails):
    """What changes about a call; gRPC takes everything else from the caller."""

    timeout: float | None
    metadata: tuple[tuple[str, str | bytes], ...] | None


class DefaultsInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds the channel's deadline and API key to calls of every kind."""

    def __init__(self, defaults: CallDefaults) -> None:
        self._defaults = defaults

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Starts a call whose failure is a `GapuraError`."""
        return TypedCall(continuation(self._complete(client_call_details), request))

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Starts a call with a stream of responses."""
        return continuation(self._complete(client_call_details), request)

    def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        """Starts a call with a stream of requests."""
        return continuation(self._complete(client_call_details), request_iterator)

    def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        """Starts a call with streams both ways."""
        return continuation(self._complete(client_call_details), request_iterator)

    def _complete(self, details: grpc.ClientCallDetails) -> CompletedDetails:
        return CompletedDetails(self._defaults.timeout(details.timeout), self._defaults.metadata(details.metadata))
