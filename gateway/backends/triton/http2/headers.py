"""Header blocks: those of our requests, which are nearly all the same, and those of the answers, which are too.

Neither side keeps a table of headers it has seen: ours is announced to be empty, and we use none of the server's. So a
block means the same whenever it comes, and need not be read twice.

Source: RFC 7541.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from hpack import Decoder, HPACKError

from gateway.backends.triton.http2.frames import ProtocolError
from gateway.backends.triton.http2.inbox import MOST_BLOCK_BYTES

MOST_TIMEOUT = 99_999_999  # eight digits
SEVEN_BITS = 0x7F


def request_block(authority: str, path: str) -> bytes:
    """Returns the block of a unary call, to which a deadline may be appended."""
    fields = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "gapura"),
    )
    return b"".join(write_field(name, value) for name, value in fields)


def timeout_field(seconds: float) -> bytes:
    """Returns the field that tells the server how long an answer is awaited."""
    milliseconds = max(int(seconds * 1000), 1)
    if milliseconds <= MOST_TIMEOUT:
        return write_field("grpc-timeout", f"{milliseconds}m")
    return write_field("grpc-timeout", f"{min(int(seconds), MOST_TIMEOUT)}S")


def write_field(name: str, value: str) -> bytes:
    """Returns a field that the server is not to remember."""
    return b"".join((b"\x00", write_text(name), write_text(value)))


def write_text(text: str) -> bytes:
    """Returns a text as it is.

    Raises:
        ValueError: It is too long for one byte to say its length.
    """
    encoded = text.encode("ascii")
    if len(encoded) >= SEVEN_BITS:
        raise ValueError(f"too long for a header: {text}")
    return bytes((len(encoded),)) + encoded


@lru_cache(maxsize=256)
def read_block(block: bytes) -> Mapping[str, str]:
    """Returns the fields of an answer; of those with the same name, the last.

    Raises:
        ProtocolError: They cannot be read.
    """
    try:
        fields: Iterable[tuple[bytes, bytes]] = Decoder(MOST_BLOCK_BYTES).decode(block, raw=True)
        return {name.decode("ascii"): value.decode("ascii") for name, value in fields}
    except (HPACKError, UnicodeDecodeError) as error:
        raise ProtocolError(f"headers cannot be read: {error}") from error
