"""Takes large `bytes` fields out of serialised protobuf messages, and puts them in, without copying them twice.

Source of the format: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError, Message

from gateway.types import Buffer

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
MOST_VARINT_BITS = 63
MOST_FIELDS = 10_000  # of a message with large fields: more would hold up the event loop

# From here on, finding the fields takes less time than copying them.
LARGE_BYTES = 65_536


def parse_apart(kind: type[Message], message: bytes, field: str) -> tuple[Any, Sequence[Buffer]]:
    """Parses a message, and gives the values of one of its repeated `bytes` fields apart.

    Args:
        kind: Class of the message.
        message: The serialised message.
        field: Name of the field; in a large message its values stay where they are, and not in the parsed message.

    Raises:
        DecodeError: The bytes are not such a message.
    """
    if len(message) < LARGE_BYTES:
        parsed = kind.FromString(message)
        return parsed, getattr(parsed, field)
    rest, values = cut_field(message, kind.DESCRIPTOR.fields_by_name[field].number)
    return kind.FromString(rest), values


def join_apart(message: Message, field: str, values: Sequence[Buffer]) -> bytes:
    """Serialises a message with the values of a repeated `bytes` field, the last of its fields, which it lacks."""
    if sum(map(len, values)) < LARGE_BYTES:
        getattr(message, field).extend(map(bytes, values))
        return message.SerializeToString()
    return b"".join(
        (message.SerializeToString(), *encode_field(message.DESCRIPTOR.fields_by_name[field].number, values))
    )


def cut_field(message: bytes, number: int) -> tuple[bytes, list[memoryview]]:
    """Cuts a repeated `bytes` field out of a message.

    Args:
        message: A serialised message.
        number: Number of the field.

    Returns:
        The message without the field, and the field's values as views of the message.

    Raises:
        DecodeError: The bytes are not a message, or one of too many fields.
    """
    view, rest, values = memoryview(message), list[memoryview](), list[memoryview]()
    position = fields = 0
    while position < len(message):
        start, fields = position, fields + 1
        if fields > MOST_FIELDS:
            raise DecodeError(f"a large message may have {MOST_FIELDS} fields")
        tag, position = read_varint(message, position)
        end = field_end(message, position, tag & 7)
        if tag == number << 3 | LENGTH_DELIMITED:
            values.append(view[read_varint(message, position)[1] : end])
        else:
            rest.append(view[start:end])
        position = end
    return b"".join(rest), values


def locate_last(message: bytes, number: int) -> tuple[tuple[int, int], ...]:
    """Finds the values of a repeated `bytes` field in a message that ends with them.

    Args:
        message: A serialised message.
        number: Number of the field.

    Returns:
        Where each value starts and ends; nothing where another field stands behind one of them.

    Raises:
        DecodeError: The bytes are not a message.
    """
    found: list[tuple[int, int]] = []
    position = 0
    while position < len(message):
        tag, position = read_varint(message, position)
        end = field_end(message, position, tag & 7)
        if tag == number << 3 | LENGTH_DELIMITED:
            found.append((read_varint(message, position)[1], end))
        elif found:
            return ()
        position = end
    return tuple(found)


def encode_field(number: int, values: Iterable[Buffer]) -> list[Buffer]:
    """Returns the pieces of a repeated `bytes` field, to be joined behind the rest of its message."""
    pieces: list[Buffer] = []
    for value in values:
        pieces += (prefix(number, len(value)), value)
    return pieces


@lru_cache(maxsize=4096)
def prefix(number: int, length: int) -> bytes:
    """Returns what stands before a value of a `bytes` field."""
    return write_varint(number << 3 | LENGTH_DELIMITED) + write_varint(length)


def field_end(message: bytes, position: int, wire_type: int) -> int:
    """Returns where a field ends whose value starts at a position.

    Raises:
        DecodeError: The value reaches beyond the message, or is of no known type.
    """
    if wire_type == LENGTH_DELIMITED:
        length, position = read_varint(message, position)
        end = position + length
    elif wire_type == VARINT:
        end = read_varint(message, position)[1]
    elif wire_type in (FIXED32, FIXED64):
        end = position + (4 if wire_type == FIXED32 else 8)
    else:
        raise DecodeError(f"no field has the wire type {wire_type}")
    if end > len(message):
        raise DecodeError("the message ends within a field")
    return end


def read_varint(message: bytes, position: int) -> tuple[int, int]:
    """Returns a number and the position behind it.

    Raises:
        DecodeError: There is no number.
    """
    value = shift = 0
    while position < len(message) and shift <= MOST_VARINT_BITS:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a number has no continuation bit
            return value, position
        shift += 7
    raise DecodeError("the message ends within a number")


def write_varint(value: int) -> bytes:
    """Returns the bytes of a number."""
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
