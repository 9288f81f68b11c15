"""HTTP/2 frames: how they are laid out.

Source: RFC 9113, sections 4, 6 and 7.
"""

from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 2, 3, 4, 5
REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0x7, 0x8, 0xB

FRAME_BYTES = 16_384  # what either side may send until the other allows more; we never do
WINDOW_BYTES = 65_535  # of a stream and of the connection, until either side says otherwise
MOST_WINDOW_BYTES = 2**31 - 1
MOST_STREAM = 2**31 - 1

HEAD = Struct(">HBBBI")  # length in two parts, kind, flags, stream
SETTING = Struct(">HI")
NUMBER = Struct(">I")
PAIR = Struct(">II")

Frame = tuple[int, int, int, bytes]  # kind, flags, stream, payload


class ProtocolError(Exception):
    """The server does not speak HTTP/2, or a dialect that is not ours."""


def write_head(length: int, kind: int, flags: int, stream: int) -> bytes:
    """Returns what stands before a payload."""
    return HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream)


def write_frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Returns a whole frame."""
    return write_head(len(payload), kind, flags, stream) + payload


def write_number(kind: int, stream: int, number: int) -> bytes:
    """Returns a frame of one number: RST_STREAM or WINDOW_UPDATE."""
    return write_frame(kind, 0, stream, NUMBER.pack(number))


def read_number(payload: bytes) -> int:
    """Returns the number that a frame consists of.

    Raises:
        ProtocolError: It consists of something else.
    """
    if len(payload) != NUMBER.size:
        raise ProtocolError(f"a frame of one number has {len(payload)} bytes")
    return int(NUMBER.unpack(payload)[0]) & MOST_STREAM


def read_settings(payload: bytes) -> dict[int, int]:
    """Returns the settings of a frame.

    Raises:
        ProtocolError: They are cut off.
    """
    if len(payload) % SETTING.size:
        raise ProtocolError("settings are cut off")
    return dict(SETTING.iter_unpack(payload))


def read_goaway(payload: bytes) -> int:
    """Returns the last stream that a server which goes away has taken.

    Raises:
        ProtocolError: It is missing.
    """
    if len(payload) < PAIR.size:
        raise ProtocolError("a farewell is cut off")
    return int(PAIR.unpack_from(payload)[0]) & MOST_STREAM


def strip(flags: int, payload: bytes) -> bytes:
    """Returns the content of a DATA or HEADERS frame without padding and priority.

    Raises:
        ProtocolError: There is less than that.
    """
    if not flags & (PADDED | PRIORITY):
        return payload
    padded = bool(flags & PADDED)
    start = padded + 5 * bool(flags & PRIORITY)
    end = len(payload) - (payload[0] if padded and payload else 0)
    if not start <= end:
        raise ProtocolError("there is more padding than frame")
    return payload[start:end]
