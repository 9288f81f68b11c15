"""One unary call, and what has arrived of its answer."""

import asyncio
from collections.abc import Mapping
from struct import Struct

from grpc import StatusCode

from gateway.backends.triton.faults import NodeFault, fault_of
from gateway.backends.triton.http2.frames import ProtocolError
from gateway.backends.triton.http2.headers import timeout_field, write_field
from gateway.backends.triton.http2.status import read_status

PREFIX = Struct(">BI")  # whether it is compressed, and the length of the message

NO_FIELDS: Mapping[str, str] = {}


class NotTakenError(Exception):
    """The server has not looked at a call, and says so: it may be made again."""


class Call:
    """One call on one connection.

    Args:
        block: The header block.
        request: The serialised request.
        timeout_seconds: How long its answer is awaited; None for as long as it takes.
        context: Its `traceparent`, if it has one.

    Attributes:
        block: The header block, deadline included.
        body: The request as it is sent.
        answer: The serialised response; `NodeFault` or `NotTakenError` if there is none.
        stream: Its number on the connection; 0 until it has one.
        timer: Ends it when its time is over.
    """

    __slots__ = ("_fields", "_pieces", "answer", "block", "body", "stream", "timer")

    def __init__(self, block: bytes, request: bytes, timeout_seconds: float | None, context: str = "") -> None:
        self.block = block if timeout_seconds is None else block + timeout_field(timeout_seconds)
        if context:
            self.block += write_field("traceparent", context)
        self.body = PREFIX.pack(0, len(request)) + request
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.stream = 0
        self.timer: asyncio.TimerHandle | None = None
        self._fields = NO_FIELDS
        self._pieces: list[bytes] = []

    def take_headers(self, fields: Mapping[str, str]) -> None:
        """Takes headers or trailers."""
        self._fields = {**self._fields, **fields} if self._fields else fields

    def take_data(self, piece: bytes) -> None:
        """Takes a part of the message.

        Raises:
            ProtocolError: It comes before the headers.
        """
        if not self._fields:
            raise ProtocolError("an answer begins without headers")
        self._pieces.append(piece)

    def end(self) -> None:
        """Reads what has arrived: there is no more."""
        code, details = read_status(self._fields)
        if code is not StatusCode.OK:
            self.fail(fault_of(code, details))
            return
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        compressed, length = PREFIX.unpack_from(data) if len(data) >= PREFIX.size else (0, -1)
        if compressed or length != len(data) - PREFIX.size:
            self.fail(fault_of(StatusCode.INTERNAL, f"the node answered {len(data)} bytes that are not one message"))
        elif not self.answer.done():
            self.answer.set_result(data[PREFIX.size :])

    def fail(self, error: NodeFault | NotTakenError) -> None:
        """Ends without an answer."""
        if not self.answer.done():
            self.answer.set_exception(error)
