"""A unary asyncio call in flight or done, whose failure is a `GapuraError`."""

from collections.abc import Callable, Generator
from typing import Any

import grpc.aio

from gapura_client.errors import error_from


class AioTypedCall(grpc.aio.UnaryUnaryCall[Any, Any]):
    """Wraps gRPC's call; asks it everything, and translates its failure when it is awaited."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __await__(self) -> Generator[Any, None, Any]:
        """Waits for the response.

        Raises:
            GapuraError: The call failed.
            asyncio.CancelledError: The call or the waiting task was cancelled.
        """
        try:
            return (yield from self._call.__await__())
        except grpc.aio.AioRpcError as error:
            raise error_from(error) from error

    async def wait_for_connection(self) -> None:
        """Waits until the channel is connected.

        Raises:
            GapuraError: The call failed before.
        """
        try:
            await self._call.wait_for_connection()
        except grpc.aio.AioRpcError as error:
            raise error_from(error) from error

    def cancel(self) -> bool:
        """Cancels the call; False when it is already done."""
        return bool(self._call.cancel())

    def cancelled(self) -> bool:
        """Says whether the call was cancelled here."""
        return bool(self._call.cancelled())

    def done(self) -> bool:
        """Says whether the call has ended, in whatever way."""
        return bool(self._call.done())

    def time_remaining(self) -> float | None:
        """Returns the seconds left until the deadline."""
        remaining: float | None = self._call.time_remaining()
        return remaining

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Calls `callback` with gRPC's call when it is done."""
        self._call.add_done_callback(callback)

    async def initial_metadata(self) -> Any:
        """Waits for the server's first metadata and returns it."""
        return await self._call.initial_metadata()

    async def trailing_metadata(self) -> Any:
        """Waits for the end of the call and returns its metadata."""
        return await self._call.trailing_metadata()

    async def code(self) -> Any:
        """Waits for the end of the call and returns its status code."""
        return await self._call.code()

    async def details(self) -> Any:
        """Waits for the end of the call and returns its status message."""
        return await self._call.details()

    async def debug_error_string(self) -> Any:
        """Waits for the end of the call and returns gRPC's own account of its error."""
        return await self._call.debug_error_string()
