"""The usage file: records of one tenant and model each, which another process can read at any moment.

Everything is a native 64-bit word or a name. The file is a sequence of blocks; no record crosses the end of a block:

    header    magic, version, bytes of a block, five spare words; the magic is written last
    record    calls, rows, backend nanoseconds, feature hits, mark, tenant and model in UTF-8, zeros up to a whole word

A mark holds the CRC-32 of both names and their lengths, and is written last: where it is 0, the block has no more
records. Words are written whole, so a reader sees a counter before or after a call, never in between.
"""

import hashlib
import mmap
from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple
from zlib import crc32

WORD_BYTES = 8
HEADER_BYTES = 64
FIXED_BYTES = 40  # of a record, before its names
NAME_BYTES = 1024  # 256 characters, however wide
BLOCK_BYTES = max(16_384, mmap.ALLOCATIONGRANULARITY)
MOST_BLOCK_BYTES = 1024 * 1024

MAGIC = int.from_bytes(b"gapusage", "little")
VERSION = 1

CALLS, ROWS, BACKEND_NS, FEATURE_HITS, MARK = range(5)

_HEADER = Struct("=3Q")
_RECORD = Struct("=5Q")
_LENGTH_BITS = 16
_LENGTH_MASK = 0xFFFF


class Counts(NamedTuple):
    """What was used; `backend_ns` is the time of backends in nanoseconds."""

    calls: int = 0
    rows: int = 0
    backend_ns: int = 0
    feature_hits: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Returns the sum of two usages."""
        return Counts(self[0] + other[0], self[1] + other[1], self[2] + other[2], self[3] + other[3])


Key = tuple[str, str]  # tenant and model
Damage = Callable[[str], None]


def fit(name: str) -> bytes:
    """Returns a name as it is written: one that is too long keeps its beginning, and a digest tells it from others."""
    written = (name or "-").encode("utf-8", "replace")
    if len(written) <= NAME_BYTES:
        return written
    digest = f"~{hashlib.sha256(written).hexdigest()[:16]}"
    return written[: NAME_BYTES - len(digest)].decode("utf-8", "ignore").encode() + digest.encode()


def mark_of(tenant: bytes, model: bytes) -> int:
    """Returns the word that makes a record count."""
    return crc32(tenant + model) << 2 * _LENGTH_BITS | len(tenant) << _LENGTH_BITS | len(model)


def size_of(tenant: bytes, model: bytes) -> int:
    """Returns the bytes of a record."""
    return FIXED_BYTES + -(-(len(tenant) + len(model)) // WORD_BYTES) * WORD_BYTES


def read_records(content: bytes, damage: Damage) -> Iterator[tuple[Key, Counts]]:
    """Yields the records of a file; one that is still being made has none.

    Args:
        content: The file as it is now.
        damage: Told what is wrong with the file; records that cannot be relied on are left out.
    """
    if not any(content[:WORD_BYTES]):
        return
    if len(content) < HEADER_BYTES:
        damage("it is shorter than its header")
        return
    magic, version, block_bytes = _HEADER.unpack_from(content)
    if magic != MAGIC or version != VERSION:
        damage("it is no usage file" if magic != MAGIC else f"it has the format {version}, and {VERSION} is known")
        return
    if not HEADER_BYTES < block_bytes <= MOST_BLOCK_BYTES or block_bytes % WORD_BYTES:
        damage(f"its blocks have {block_bytes} bytes")
        return
    for start in range(0, len(content), block_bytes):
        yield from _read_block(content, start or HEADER_BYTES, min(start + block_bytes, len(content)), damage)


def _read_block(content: bytes, start: int, end: int, damage: Damage) -> Iterator[tuple[Key, Counts]]:
    """Yields the records of one block, up to the first that is damaged."""
    while start + FIXED_BYTES <= end:
        calls, rows, backend_ns, feature_hits, mark = _RECORD.unpack_from(content, start)
        if not mark:
            return
        split = start + FIXED_BYTES + (mark >> _LENGTH_BITS & _LENGTH_MASK)
        stop = split + (mark & _LENGTH_MASK)
        names = content[start + FIXED_BYTES : stop]
        if crc32(names) != mark >> 2 * _LENGTH_BITS:
            damage(f"the record at byte {start} is damaged")
            return
        tenant = names[: split - start - FIXED_BYTES].decode("utf-8", "replace")
        yield (tenant, content[split:stop].decode("utf-8", "replace")), Counts(calls, rows, backend_ns, feature_hits)
        start = -(-stop // WORD_BYTES) * WORD_BYTES
