"""Gives asyncio calls their defaults, and unary ones their typed errors."""

from typing import Any

import grpc.aio

from gapura_client.aio_typed_call import AioTypedCall
from gapura_client.settings import CallDefaults


class _Defaults:
    """Adds the channel's deadline and API key to a call."""

    def __init__(self, defaults: CallDefaults) -> None:
        self._defaults = defaults

    def _complete(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        return grpc.aio.ClientCallDetails(
            details.method,
            self._defaults.timeout(details.timeout),
            grpc.aio.Metadata(*self._defaults.metadata(details.metadata)),
            details.credentials,
            details.wait_for_ready,
        )


class UnaryUnaryDefaults(_Defaults, grpc.aio.UnaryUnaryClientInterceptor):
    """Starts a call whose failure is a `GapuraError`."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Returns the call without awaiting its response, so that cancelling reaches it."""
        return AioTypedCall(await continuation(self._complete(client_call_details), request))


class UnaryStreamDefaults(_Defaults, grpc.aio.UnaryStreamClientInterceptor):
    """Starts a call with a stream of responses."""

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Returns gRPC's own call."""
        return await continuation(self._complete(client_call_details), request)


class StreamUnaryDefaults(_Defaults, grpc.aio.StreamUnaryClientInterceptor):
    """Starts a call with a stream of requests."""

    async def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        """Returns gRPC's own call."""
        return await continuation(self._complete(client_call_details), request_iterator)


class StreamStreamDefaults(_Defaults, grpc.aio.StreamStreamClientInterceptor):
    """Starts a call with streams both ways."""

    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        """Returns gRPC's own call."""
        return await continuation(self._complete(client_call_details), request_iterator)


def interceptors_for(defaults: CallDefaults) -> list[grpc.aio.ClientInterceptor]:
    """Returns an interceptor for each kind of call: gRPC files one that serves several under the first kind only."""
    return [
        UnaryUnaryDefaults(defaults),
        UnaryStreamDefaults(defaults),
        StreamUnaryDefaults(defaults),
        StreamStreamDefaults(defaults),
    ]
