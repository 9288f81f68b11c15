"""What arrives on a connection, in whatever pieces: cut into frames, and headers put together.

Source: RFC 9113, sections 4.1 and 4.3.
"""

from collections.abc import Iterator

from gateway.backends.triton.http2.frames import (
    CONTINUATION,
    END_HEADERS,
    FRAME_BYTES,
    HEAD,
    HEADERS,
    MOST_STREAM,
    Frame,
    ProtocolError,
    strip,
)

MOST_BLOCK_BYTES = 65_536


class Inbox:
    """The receiving side of a connection."""

    def __init__(self) -> None:
        self._rest = b""
        self._headers: Frame | None = None

    def cut(self, data: bytes) -> Iterator[Frame]:
        """Yields the frames that are complete now, headers as one frame each and without padding.

        Raises:
            ProtocolError: A frame is larger than we allow, or headers are in disorder.
        """
        data = self._rest + data if self._rest else data
        position, end = 0, len(data)
        while end - position >= HEAD.size:
            high, low, kind, flags, stream = HEAD.unpack_from(data, position)
            length = high << 8 | low
            if length > FRAME_BYTES:
                raise ProtocolError(f"a frame has {length} bytes")
            start = position + HEAD.size
            if end - start < length:
                break
            position = start + length
            frame = kind, flags, stream & MOST_STREAM, data[start:position]
            if kind in (HEADERS, CONTINUATION) or self._headers is not None:
                headers = self._join(*frame)
                if headers is None:
                    continue
                frame = headers
            yield frame
        self._rest = data[position:]

    def _join(self, kind: int, flags: int, stream: int, payload: bytes) -> Frame | None:
        """Returns headers once they are complete.

        Raises:
            ProtocolError: They are interrupted, or go on without end.
        """
        if self._headers is None:
            begins, block = flags, b""
        else:
            _, begins, expected, block = self._headers
            if kind != CONTINUATION or stream != expected:
                raise ProtocolError("headers are interrupted")
        if kind == HEADERS:
            payload = strip(flags, payload)
        elif self._headers is None:
            raise ProtocolError("headers are continued that never began")
        headers = HEADERS, begins, stream, block + payload
        if len(headers[3]) > MOST_BLOCK_BYTES:
            raise ProtocolError("headers go on without end")
        self._headers = None if flags & END_HEADERS else headers
        return None if self._headers else headers
