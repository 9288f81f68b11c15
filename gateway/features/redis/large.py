"""Keys whose values are too large to be rows: they are not asked for, since one would keep all others waiting."""

from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Final

import structlog
from gapura_features.packed import MOST_ROW_BYTES

from gateway.features.source import Found

SECONDS = 30.0
MOST_KEYS = 10_000
MOST_SUSPECTS = 4096

log = structlog.get_logger(__name__)

NONE: Final = frozenset[str]()


class LargeValues:
    """What is known of them.

    Attributes:
        suspects: Keys that were asked for when an answer was late.
    """

    def __init__(self) -> None:
        self.suspects: dict[str, None] = {}
        self._until: dict[str, float] = {}

    def among(self, keys: Iterable[str]) -> frozenset[str]:
        """Returns the keys that are not to be asked for."""
        if not self._until:
            return NONE
        now = monotonic()
        found = [key for key in keys if key in self._until]
        for key in found:
            if self._until[key] < now:
                del self._until[key]
        return frozenset(key for key in found if key in self._until)

    def suspect(self, keys: Sequence[str]) -> None:
        """Takes that an answer was late, perhaps because of one of these keys."""
        if len(self.suspects) < MOST_SUSPECTS:
            self.suspects.update(dict.fromkeys(keys))

    def weigh(self, keys: Sequence[str], found: list[Found]) -> None:
        """Takes what was read, and puts None in place of what is too large."""
        for index, value in enumerate(found):
            if type(value) is bytes and len(value) > MOST_ROW_BYTES:
                self.measure(keys[index], len(value))
                found[index] = None

    def measure(self, key: str, size: object) -> None:
        """Takes the length of a key's value, in bytes; an error is none."""
        if isinstance(size, int) and size > MOST_ROW_BYTES:
            if key not in self._until:
                told = "too large for a row of features; it counts as missing"
                log.error(told, key=key, bytes=size, most=MOST_ROW_BYTES)
            if len(self._until) >= MOST_KEYS:
                self._until.clear()
            self._until[key] = monotonic() + SECONDS

    def changed(self, keys: Iterable[bytes]) -> None:
        """Takes that keys were written."""
        if self._until:
            for key in keys:
                self._until.pop(key.decode(errors="replace"), None)

    def forget(self) -> None:
        """Takes that any key may have been written."""
        self._until.clear()
