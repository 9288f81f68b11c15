"""Messages that differ in nothing but the values of their last `bytes` fields: what was read of one holds for all.

What comes from one caller, or from one model, repeats byte for byte, all but what its tensors hold: names, types and
shapes. That is read once; of every other message only the values are cut out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from gateway.protowire import LARGE_BYTES, locate_last
from gateway.types import Buffer

# Layouts that are kept; those who never send the same twice push out the others, which are then read again.
MOST_LAYOUTS = 4096

Known = TypeVar("Known")


@dataclass(frozen=True, slots=True, eq=False)
class Layout(Generic[Known]):
    """All of a message but the values of its last field.

    Attributes:
        known: What was found out about it.
        length: Of the whole message.
        cuts: Where each of the values starts and ends.
        seams: Where what stands between two of them starts and ends, and what it is.
    """

    known: Known
    length: int
    cuts: tuple[tuple[int, int], ...]
    seams: tuple[tuple[int, int, bytes], ...]

    def fits(self, message: bytes) -> bool:
        """Says whether a message that begins like this one has its layout."""
        if len(message) != self.length:
            return False
        for start, end, seam in self.seams:  # noqa: SIM110 - `all` takes three times as long where there are none
            if message[start:end] != seam:
                return False
        return True

    def values(self, message: bytes) -> Sequence[Buffer]:
        """Cuts the values out of a message of this layout; of a large one they are views."""
        source = memoryview(message) if len(message) >= LARGE_BYTES else message
        return [source[start:end] for start, end in self.cuts]


class Layouts(Generic[Known]):
    """The layouts of the messages of late.

    Args:
        field: Number of the repeated `bytes` field that messages end with.
    """

    def __init__(self, field: int) -> None:
        self._field = field
        self._layouts: dict[bytes, Layout[Known]] = {}
        self._heads: dict[int, tuple[int, ...]] = {}  # length of a message -> lengths of what stands before its values

    def find(self, message: bytes) -> Layout[Known] | None:
        """Returns the layout of a message, if it is known."""
        for size in self._heads.get(len(message), ()):
            layout = self._layouts.get(message[:size])
            if layout is not None and layout.fits(message):
                return layout
        return None

    def add(self, message: bytes, known: Known) -> Layout[Known] | None:
        """Remembers a well-formed message, and what was found out about it, if it ends with values."""
        cuts = locate_last(message, self._field)
        if not cuts:
            return None
        if len(self._layouts) >= MOST_LAYOUTS:
            self._layouts.clear()
            self._heads.clear()
        seams = tuple((end, start, message[end:start]) for (_, end), (start, _) in pairwise(cuts))
        size, layout = cuts[0][0], Layout(known, len(message), cuts, seams)
        self._layouts[message[:size]] = layout
        heads = self._heads.get(len(message), ())
        if size not in heads:
            self._heads[len(message)] = (size, *heads)
        return layout
