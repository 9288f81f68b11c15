"""An HTTP/2 server that is moved by hand, frame by frame: no real one can be told to break the rules."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hpack import Decoder, Encoder

from gateway.backends.triton.http2.channel import Channel

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
MOST_CALLS, STREAM_WINDOW, FRAME_BYTES = 3, 4, 5
PATH = "/inference.GRPCInferenceService/ModelInfer"

BEGIN = ((":status", "200"), ("content-type", "application/grpc"))
DONE = (("grpc-status", "0"),)


@dataclass(frozen=True, slots=True)
class Frame:
    """What the client has sent."""

    kind: int
    flags: int
    stream: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """A call that the client has made."""

    stream: int
    headers: dict[str, str]
    message: bytes


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._reader = reader
        self._encoder, self._decoder = Encoder(), Decoder()
        self._encoder.header_table_size = 0

    async def take(self, *kinds: int) -> Frame:
        """Returns the next frame of some kinds; those of other kinds are passed over."""
        async with asyncio.timeout(20):
            while True:
                high, low, kind, flags, stream = struct.unpack(">HBBBI", await self._reader.readexactly(9))
                payload = await self._reader.readexactly(high << 8 | low)
                if kind in kinds:
                    return Frame(kind, flags, stream, payload)

    async def request(self) -> Request:
        """Returns the next call, once all of it is there."""
        begin = await self.take(HEADERS)
        assert begin.flags == END_HEADERS
        headers = {str(name): str(value) for name, value in self._decoder.decode(begin.payload)}
        body = b""
        while True:
            frame = await self.take(DATA)
            assert frame.stream == begin.stream
            body += frame.payload
            if frame.flags & END_STREAM:
                assert body[:5] == struct.pack(">BI", 0, len(body) - 5)
                return Request(begin.stream, headers, body[5:])

    def send(self, kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> None:
        """Sends a frame."""
        self.writer.write(frame_bytes(kind, flags, stream, payload))

    def settings(self, *settings: tuple[int, int]) -> None:
        """Sends settings."""
        self.send(SETTINGS, payload=b"".join(struct.pack(">HI", *setting) for setting in settings))

    def block(self, *fields: tuple[str, str]) -> bytes:
        """Returns a header block."""
        return bytes(self._encoder.encode(fields))

    def headers(self, stream: int, *fields: tuple[str, str], flags: int = 0) -> None:
        """Sends headers, or trailers."""
        self.send(HEADERS, END_HEADERS | flags, stream, self.block(*fields))

    def answer(self, stream: int, message: bytes) -> None:
        """Answers a call."""
        self.headers(stream, *BEGIN)
        self.data(stream, message)
        self.headers(stream, *DONE, flags=END_STREAM)

    def data(self, stream: int, message: bytes) -> None:
        """Sends a message, in frames as large as is allowed."""
        body = struct.pack(">BI", 0, len(message)) + message
        for start in range(0, len(body), 16_384):
            self.send(DATA, 0, stream, body[start : start + 16_384])


@dataclass(slots=True)
class Server:
    """Where clients connect.

    Attributes:
        address: Where it listens.
        accepted: How many connections it has had.
    """

    address: str = ""
    accepted: int = 0
    _peers: asyncio.Queue[Peer] = field(default_factory=asyncio.Queue)
    _all: list[Peer] = field(default_factory=list)

    async def peer(self) -> Peer:
        """Returns the next connection."""
        async with asyncio.timeout(20):
            return await self._peers.get()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes a connection."""
        self.accepted += 1
        assert await reader.readexactly(len(PREFACE)) == PREFACE
        peer = Peer(reader, writer)
        self._all.append(peer)
        self._peers.put_nowait(peer)

    def hang_up(self) -> None:
        """Ends every connection."""
        for peer in self._all:
            peer.writer.close()


def frame_bytes(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Returns a frame."""
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


@asynccontextmanager
async def channel_to_server() -> AsyncIterator[tuple[Channel, Server]]:
    """Runs a server, and opens a channel to it."""
    server = Server()
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    server.address = f"{host}:{port}"
    channel = Channel(server.address, PATH)
    try:
        yield channel, server
    finally:
        await channel.close()
        server.hang_up()
        listener.close()
        await listener.wait_closed()


def calling(channel: Channel, request: bytes = b"request", seconds: float | None = 5.0) -> asyncio.Task[bytes]:
    """Makes a call."""
    return asyncio.create_task(channel.call(request, seconds))
