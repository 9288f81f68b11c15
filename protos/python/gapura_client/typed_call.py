"""A unary call in flight or done, whose failure is a `GapuraError`."""

from collections.abc import Callable
from typing import Any

import grpc

from gapura_client.errors import error_from


class TypedCall(grpc.Call, grpc.Future):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """Wraps gRPC's call; asks it everything, and translates its failure when that is asked for."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def result(self, timeout: float | None = None) -> Any:
        """Waits for the response.

        Raises:
            GapuraError: The call failed.
            grpc.FutureTimeoutError: `timeout` seconds passed; the call goes on.
            grpc.FutureCancelledError: The call was cancelled here.
        """
        try:
            return self._call.result(timeout)
        except grpc.RpcError as error:
            raise error_from(error) from error

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Waits for the end of the call and returns its error, None when it succeeded."""
        error = self._call.exception(timeout)
        return error_from(error) if isinstance(error, grpc.RpcError) else error

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        """Calls `fn` with this call when it is done."""
        self._call.add_done_callback(lambda _: fn(self))

    def traceback(self, timeout: float | None = None) -> Any:
        """Waits for the end of the call and returns the traceback of its error."""
        return self._call.traceback(timeout)

    def cancel(self) -> bool:
        """Cancels the call; False when it is already done."""
        return bool(self._call.cancel())

    def cancelled(self) -> bool:
        """Says whether the call was cancelled here."""
        return bool(self._call.cancelled())

    def running(self) -> bool:
        """Says whether the call goes on."""
        return bool(self._call.running())

    def done(self) -> bool:
        """Says whether the call has ended, in whatever way."""
        return bool(self._call.done())

    def is_active(self) -> bool:
        """Says whether the call goes on."""
        return bool(self._call.is_active())

    def time_remaining(self) -> Any:
        """Returns the seconds left until the deadline."""
        return self._call.time_remaining()

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Calls `callback` at the end of the call; False when it is already done."""
        return bool(self._call.add_callback(callback))

    def initial_metadata(self) -> Any:
        """Waits for the server's first metadata and returns it."""
        return self._call.initial_metadata()

    def trailing_metadata(self) -> Any:
        """Waits for the end of the call and returns its metadata."""
        return self._call.trailing_metadata()

    def code(self) -> Any:
        """Waits for the end of the call and returns its status code."""
        return self._call.code()

    def details(self) -> Any:
        """Waits for the end of the call and returns its status message."""
        return self._call.details()
