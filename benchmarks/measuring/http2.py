"""A gRPC client reduced to what a load needs: it tells codes apart at a fraction of a real client's cost.

Unary calls over HTTP/2 (RFC 9113) with request headers that never change. The server is told to compress headers
without a dynamic table, so that equal trailers are equal bytes and are read once.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, cast
from urllib.parse import unquote

from hpack import Decoder

from benchmarks.measuring.framing import METHOD, PREFIX_BYTES

OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE = 0, 3, 4, 8, 14
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
REFUSED_STREAM = 7
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 1, 2, 3, 4
MOST_WINDOW, FIRST_WINDOW = 2**31 - 1, 65_535
CONNECT_SECONDS = 10.0
_HEAD = struct.Struct(">BHBBL")
_HEAD_BYTES = 9


class Reply(NamedTuple):
    """How a call ended.

    Attributes:
        code: gRPC's.
        text: What the server says of an error.
        message: The serialised response.
    """

    code: int
    text: str
    message: bytes


Done = Callable[[Reply], None]


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        headers: Sent with every call beside those that gRPC demands.
    """

    def __init__(self, headers: Sequence[tuple[str, str]], authority: str = "localhost") -> None:
        fixed = [(":method", "POST"), (":scheme", "http"), (":path", METHOD), (":authority", authority)]
        self._block = encode([*fixed, ("te", "trailers"), ("content-type", "application/grpc"), *headers])
        self._under_way: dict[int, tuple[bytes, Done]] = {}
        self._bodies: dict[int, bytes] = {}
        self._queue: deque[tuple[bytes, Done]] = deque()
        self._next_stream, self._window, self._most_streams = 1, FIRST_WINDOW, 100
        self._received, self._rest, self._block_parts, self._out = 0, b"", b"", list[bytes]()
        self._transport: asyncio.Transport
        self.ready = asyncio.get_running_loop().create_future()

    def call(self, body: bytes, done: Done) -> None:
        """Makes a call as soon as the server lets it; `flush` sends it."""
        if self._transport.is_closing():
            done(Reply(UNAVAILABLE, "the connection is closed", b""))
            return
        self._queue.append((body, done))
        self._send_waiting()

    def flush(self) -> None:
        """Sends what has gathered."""
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def close(self) -> None:
        """Hangs up; calls under way end with UNAVAILABLE."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets the server."""
        self._transport = cast("asyncio.Transport", transport)
        wishes = ((HEADER_TABLE_SIZE, 0), (ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, MOST_WINDOW))
        settings = b"".join(struct.pack(">HL", *wish) for wish in wishes)
        self._out += [PREFACE, pack(SETTINGS, 0, 0, settings)]
        self._out.append(pack(WINDOW_UPDATE, 0, 0, (MOST_WINDOW - FIRST_WINDOW).to_bytes(4, "big")))
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends what is under way."""
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionResetError("the server hung up"))
        waiting = [*self._under_way.values(), *self._queue]
        self._under_way, self._queue = {}, deque()
        for _, done in waiting:
            done(Reply(UNAVAILABLE, "the connection was lost", b""))

    def data_received(self, data: bytes) -> None:
        """Takes frames apart."""
        buffer, start, size = self._rest + data if self._rest else data, 0, 0
        while len(buffer) - start >= _HEAD_BYTES:
            high, low, kind, flags, stream = _HEAD.unpack_from(buffer, start)
            size = _HEAD_BYTES + (high << 16 | low)
            if len(buffer) - start < size:
                break
            self._take(kind, flags, stream & MOST_WINDOW, buffer[start + _HEAD_BYTES : start + size])
            start += size
        self._rest = buffer[start:]
        self._send_waiting()
        self.flush()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self._take_data(stream, payload)
        elif kind in (HEADERS, CONTINUATION):
            self._take_headers(kind, flags, stream, payload)
        elif kind == RST_STREAM:
            self._take_reset(stream, int.from_bytes(payload, "big"))
        elif kind == WINDOW_UPDATE and not stream:
            self._window += int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self._most_streams = 0
        else:
            self._take_courtesy(kind, flags, payload)

    def _take_data(self, stream: int, payload: bytes) -> None:
        """Keeps a part of an answer, and gives the server room again before it runs out."""
        if stream in self._under_way:
            self._bodies[stream] = self._bodies.get(stream, b"") + payload
        self._received += len(payload)
        if self._received > MOST_WINDOW // 2:
            self._out.append(pack(WINDOW_UPDATE, 0, 0, self._received.to_bytes(4, "big")))
            self._received = 0

    def _take_reset(self, stream: int, reason: int) -> None:
        """Ends a call, or makes it anew if the server says that it has not looked at it, as every gRPC client does."""
        if reason == REFUSED_STREAM and stream in self._under_way:
            self._queue.append(self._under_way.pop(stream))
        else:
            self._end(stream, UNAVAILABLE, f"stream reset with {reason}")

    def _take_courtesy(self, kind: int, flags: int, payload: bytes) -> None:
        """Confirms what the server wants confirmed."""
        if kind == SETTINGS and not flags & ACK:
            self._take_settings(payload)
        elif kind == SETTINGS and not self.ready.done():
            self.ready.set_result(None)
        elif kind == PING and not flags & ACK:
            self._out.append(pack(PING, ACK, 0, payload))

    def _take_headers(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Reads trailers; leading headers say nothing that matters here."""
        if kind == HEADERS:
            self._block_parts, self._ends = b"", bool(flags & END_STREAM)
        self._block_parts += payload
        if flags & END_HEADERS and self._ends:
            self._end(stream, *read_trailers(self._block_parts))

    def _take_settings(self, payload: bytes) -> None:
        for name, value in struct.iter_unpack(">HL", payload):
            if name == MAX_CONCURRENT_STREAMS:
                self._most_streams = value
        self._out.append(pack(SETTINGS, ACK, 0, b""))

    def _end(self, stream: int, code: int, text: str) -> None:
        call, body = self._under_way.pop(stream, None), self._bodies.pop(stream, b"")
        if call is not None:
            call[1](Reply(code, text, body[PREFIX_BYTES:]))

    def _send_waiting(self) -> None:
        while self._queue and len(self._under_way) < self._most_streams:
            body = self._queue[0][0]
            if len(body) > self._window:
                return
            self._window -= len(body)
            stream, self._next_stream = self._next_stream, self._next_stream + 2
            self._under_way[stream] = self._queue.popleft()
            self._out += [pack(HEADERS, END_HEADERS, stream, self._block), pack(DATA, END_STREAM, stream, body)]


def pack(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Returns a frame."""
    return _HEAD.pack(len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


def encode(headers: Sequence[tuple[str, str]]) -> bytes:
    """Returns a header block of literals that leave no trace (RFC 7541, 6.2.2), good for any number of calls."""
    return b"".join(b"\0" + literal(name) + literal(value) for name, value in headers)


def literal(text: str) -> bytes:
    """Returns a string literal of at most 126 bytes."""
    content = text.encode()
    assert len(content) < 127, text  # noqa: PLR2004 - longer ones need more bytes of length
    return bytes([len(content)]) + content


@lru_cache(65_536)
def read_trailers(block: bytes) -> tuple[int, str]:
    """Returns code and message of a block; without a status it is an error of HTTP."""
    fields = {str(name): str(value) for name, value in Decoder().decode(block)}
    if "grpc-status" not in fields:
        return UNAVAILABLE, f"HTTP {fields.get(':status')}"
    return int(fields["grpc-status"]), unquote(fields.get("grpc-message", ""))


async def connect(address: str, headers: Sequence[tuple[str, str]]) -> Connection:
    """Opens a connection; it is ready to call."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(headers, address), host, int(port))
    async with asyncio.timeout(CONNECT_SECONDS):
        await connection.ready
    return connection
