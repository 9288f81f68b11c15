"""What we send on a connection: at once where the server's windows allow it, and else as soon as they do.

Source: RFC 9113, sections 5.2 and 6.9.
"""

from collections.abc import Callable

from gateway.backends.triton.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    WINDOW_BYTES,
    ProtocolError,
    write_frame,
    write_head,
)


class Unsent:
    """The rest of a body.

    Attributes:
        body: What the server has not got yet.
        window: How much of it the server would take now.
    """

    __slots__ = ("body", "window")

    def __init__(self, body: bytes, window: int) -> None:
        self.body = memoryview(body)
        self.window = window


class Outbox:
    """The sending side of a connection.

    Args:
        write: Writes to the connection.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._window = WINDOW_BYTES
        self._stream_window = WINDOW_BYTES
        self._frame_bytes = FRAME_BYTES
        self._unsent: dict[int, Unsent] = {}

    def send(self, stream: int, block: bytes, body: bytes) -> None:
        """Sends the headers of a call, and as much of its body as the server takes."""
        headers, size = write_frame(HEADERS, END_HEADERS, stream, block), len(body)
        if not self._unsent and size <= min(self._window, self._stream_window, self._frame_bytes):
            self._window -= size
            self._write(b"".join((headers, write_head(size, DATA, END_STREAM, stream), body)))
        else:
            self._write(headers)
            self._unsent[stream] = Unsent(body, self._stream_window)
            self._flush()

    def drop(self, stream: int) -> bool:
        """Forgets a body; returns whether there was a rest of it."""
        return self._unsent.pop(stream, None) is not None

    def widen(self, stream: int, size: int) -> None:
        """Takes a wider window, of a stream or, by the name of 0, of the connection."""
        if stream == 0:
            self._window += size
        elif stream in self._unsent:
            self._unsent[stream].window += size
        self._flush()

    def adopt(self, settings: dict[int, int]) -> None:
        """Takes settings, which hold for calls under way as well.

        Raises:
            ProtocolError: A frame may be no smaller than that.
        """
        self._frame_bytes = settings.get(MAX_FRAME_SIZE, self._frame_bytes)
        if self._frame_bytes < FRAME_BYTES:
            raise ProtocolError(f"frames of {self._frame_bytes} bytes are demanded")
        change = settings.get(INITIAL_WINDOW_SIZE, self._stream_window) - self._stream_window
        self._stream_window += change
        for unsent in self._unsent.values():
            unsent.window += change  # it may become negative
        self._flush()

    def _flush(self) -> None:
        for stream, unsent in list(self._unsent.items()):
            while (size := min(len(unsent.body), self._window, unsent.window, self._frame_bytes)) > 0:
                self._window -= size
                unsent.window -= size
                last = size == len(unsent.body)
                self._write(write_frame(DATA, END_STREAM if last else 0, stream, bytes(unsent.body[:size])))
                unsent.body = unsent.body[size:]
            if not unsent.body:
                del self._unsent[stream]
