"""Commands that write pushed rows: what is stored with a later event time stays, and every push is kept in a stream."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gapura_features.keys import pushes_key, row_key
from gapura_features.pointer import Pointer

# Writes a row unless the one that is stored has the same schema and a later event time; returns whether it did.
WRITE_NEWER = """
local stored = redis.call('GETRANGE', KEYS[1], 0, 15)
if #stored == 16 and string.sub(stored, 1, 8) == string.sub(ARGV[1], 1, 8) then
  if struct.unpack('<i8', stored, 9) > struct.unpack('<i8', ARGV[1], 9) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""

Command = tuple[str | bytes | int, ...]


class PushedRow(NamedTuple):
    """A row on its way.

    Attributes:
        entity: Whose it is.
        packed: The row.
    """

    entity: str
    packed: bytes


def kept(view: str, rows: Iterable[PushedRow]) -> list[Command]:
    """Returns the commands that keep pushed rows in the stream, which comes first: what is served is never lost."""
    return [("XADD", pushes_key(view), "*", "entity", row.entity, "row", row.packed) for row in rows]


def written(view: str, pointer: Pointer, rows: Sequence[PushedRow]) -> list[Command]:
    """Returns the commands that make pushed rows live; the answers to the first `len(rows)` say which are."""
    return [
        ("EVAL", WRITE_NEWER, 1, row_key(view, data, row.entity), row.packed)
        for data in pointer.targets()
        for row in rows
    ]
