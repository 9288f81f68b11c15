"""One connection to a node: many calls at once, each answered by its stream."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from grpc import StatusCode

from gateway.backends.triton.faults import fault_of
from gateway.backends.triton.http2 import frames
from gateway.backends.triton.http2.call import Call, NotTakenError
from gateway.backends.triton.http2.frames import ProtocolError, write_frame, write_number
from gateway.backends.triton.http2.headers import read_block
from gateway.backends.triton.http2.inbox import Inbox
from gateway.backends.triton.http2.outbox import Outbox
from gateway.backends.triton.http2.status import read_reset

# An answer is as large as the model makes it, whether we take it slowly or not: so we never make the server wait.
SETTINGS = (
    (frames.HEADER_TABLE_SIZE, 0),
    (frames.ENABLE_PUSH, 0),
    (frames.INITIAL_WINDOW_SIZE, frames.MOST_WINDOW_BYTES),
)
WIDEN_BYTES = 2**24  # once that much has arrived, the window of the connection is made whole


class Connection(asyncio.Protocol):
    """A connection that has been made, until it is lost.

    Args:
        ended: Is told when it is lost.
        first_stream: Number of its first call; an odd one.

    Attributes:
        lost: Is done once the connection has ended.
    """

    def __init__(self, ended: Callable[["Connection"], None], first_stream: int = 1) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = ended
        self._calls: dict[int, Call] = {}
        self._waiting: deque[Call] = deque()
        self._most_calls = frames.MOST_STREAM
        self._next_stream = first_stream
        self._leaving = False
        self._problem = "the node closed the connection"
        self._inbox = Inbox()
        self._received = 0
        self._take = {
            frames.DATA: self._take_data,
            frames.HEADERS: self._take_headers,
            frames.RST_STREAM: self._take_reset,
            frames.SETTINGS: self._take_settings,
            frames.PING: self._take_ping,
            frames.GOAWAY: self._take_goaway,
            frames.WINDOW_UPDATE: self._take_window,
            frames.PUSH_PROMISE: self._take_push,
        }

    @property
    def usable(self) -> bool:
        """Says whether it takes further calls."""
        return not self._leaving

    def start(self, call: Call, deadline: float | None) -> None:
        """Sends a call; where the server takes no more of them at once, when another has ended.

        Args:
            call: It fails with `NotTakenError` if the connection is not usable.
            deadline: When it fails, in seconds of the event loop's clock.
        """
        if self._leaving:
            call.fail(NotTakenError())
            return
        if deadline is not None:
            call.timer = asyncio.get_running_loop().call_at(deadline, self._expire, call)
        if len(self._calls) < self._most_calls:
            self._send(call)
        else:
            self._waiting.append(call)

    def cancel(self, call: Call) -> None:
        """Ends a call whose answer nobody awaits any more, here and at the server."""
        if call.stream in self._calls:
            self._reset(call.stream)
            self._finish(call)
        elif call in self._waiting:
            self._waiting.remove(call)
            stop_timer(call)

    def abort(self, problem: str) -> None:
        """Ends the connection; the calls under way fail."""
        self._problem = problem
        self._leaving = True
        self._transport.abort()
        self._fail_all()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        self._transport = cast("asyncio.Transport", transport)
        self._outbox = Outbox(self._transport.write)
        settings = b"".join(frames.SETTING.pack(*setting) for setting in SETTINGS)
        window = write_number(frames.WINDOW_UPDATE, 0, frames.MOST_WINDOW_BYTES - frames.WINDOW_BYTES)
        self._transport.write(b"".join((frames.PREFACE, write_frame(frames.SETTINGS, 0, 0, settings), window)))

    def data_received(self, data: bytes) -> None:
        """Takes whatever has arrived."""
        try:
            for kind, flags, stream, payload in self._inbox.cut(data):
                take = self._take.get(kind)
                if take is not None:  # else it is of a kind that came later than HTTP/2
                    take(flags, stream, payload)
        except ProtocolError as error:
            self.abort(f"the node breaks HTTP/2: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        """Fails what is under way."""
        if error is not None and not self._leaving:
            self._problem = str(error) or type(error).__name__
        self._leaving = True
        self._fail_all()
        if not self.lost.done():
            self.lost.set_result(None)
        self._ended(self)

    def _send(self, call: Call) -> None:
        call.stream = self._next_stream
        self._next_stream += 2
        self._calls[call.stream] = call
        self._outbox.send(call.stream, call.block, call.body)
        call.body = b""
        if self._next_stream > frames.MOST_STREAM:
            self._leave(call.stream)

    def _finish(self, call: Call) -> None:
        """Ends a call that has a stream, and sends one that waited for its place."""
        del self._calls[call.stream]
        stop_timer(call)
        if self._waiting:
            self._fill()
        if self._leaving and not self._calls:
            self._transport.close()

    def _end(self, call: Call) -> None:
        """Ends a call to which the server has said all that it has to say."""
        if self._outbox.drop(call.stream):
            self._reset(call.stream)
        self._finish(call)
        call.end()

    def _fill(self) -> None:
        while self._waiting and len(self._calls) < self._most_calls:
            self._send(self._waiting.popleft())

    def _leave(self, last: int) -> None:
        """Takes no more calls; those up to a stream are still answered, the others have to be made again elsewhere."""
        self._leaving = True
        not_taken = [call for call in self._calls.values() if call.stream > last]
        for call in not_taken:
            del self._calls[call.stream]
            self._outbox.drop(call.stream)
        for call in (*not_taken, *self._waiting):
            stop_timer(call)
            call.fail(NotTakenError())
        self._waiting.clear()
        if not self._calls:
            self._transport.close()

    def _expire(self, call: Call) -> None:
        self.cancel(call)
        call.fail(fault_of(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"))

    def _reset(self, stream: int) -> None:
        self._outbox.drop(stream)
        self._transport.write(write_number(frames.RST_STREAM, stream, frames.CANCEL))

    def _fail_all(self) -> None:
        calls = [*self._calls.values(), *self._waiting]
        self._calls.clear()
        self._waiting.clear()
        for call in calls:
            stop_timer(call)
            call.fail(fault_of(StatusCode.UNAVAILABLE, self._problem))

    def _take_data(self, flags: int, stream: int, payload: bytes) -> None:
        self._received += len(payload)
        if self._received >= WIDEN_BYTES:
            self._transport.write(write_number(frames.WINDOW_UPDATE, 0, self._received))
            self._received = 0
        call = self._calls.get(stream)
        if call is not None:  # else nobody awaits it any more
            call.take_data(frames.strip(flags & frames.PADDED, payload))
            if flags & frames.END_STREAM:
                self._end(call)

    def _take_headers(self, flags: int, stream: int, block: bytes) -> None:
        call = self._calls.get(stream)
        if call is not None:
            call.take_headers(read_block(block))
            if flags & frames.END_STREAM:
                self._end(call)

    def _take_reset(self, flags: int, stream: int, payload: bytes) -> None:  # noqa: ARG002 - the same for all
        call = self._calls.get(stream)
        error = frames.read_number(payload)
        if call is not None:
            self._outbox.drop(stream)
            self._finish(call)
            call.fail(NotTakenError() if error == frames.REFUSED_STREAM else fault_of(*read_reset(error)))

    def _take_settings(self, flags: int, stream: int, payload: bytes) -> None:  # noqa: ARG002 - the same for all
        if flags & frames.ACK:
            return
        settings = frames.read_settings(payload)
        self._most_calls = settings.get(frames.MAX_CONCURRENT_STREAMS, self._most_calls)
        self._transport.write(write_frame(frames.SETTINGS, frames.ACK, 0))
        self._outbox.adopt(settings)
        self._fill()

    def _take_ping(self, flags: int, stream: int, payload: bytes) -> None:  # noqa: ARG002 - the same for all
        if not flags & frames.ACK:
            self._transport.write(write_frame(frames.PING, frames.ACK, 0, payload))

    def _take_goaway(self, flags: int, stream: int, payload: bytes) -> None:  # noqa: ARG002 - the same for all
        self._leave(frames.read_goaway(payload))

    def _take_window(self, flags: int, stream: int, payload: bytes) -> None:  # noqa: ARG002 - the same for all
        self._outbox.widen(stream, frames.read_number(payload))

    def _take_push(self, flags: int, stream: int, payload: bytes) -> None:  # noqa: ARG002 - the same for all
        raise ProtocolError("a call is pushed that nobody made")


def stop_timer(call: Call) -> None:
    """Lets a call that has ended be."""
    if call.timer is not None:
        call.timer.cancel()
