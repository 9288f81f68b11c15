"""Where stored rows are read from, as the reader of features sees it."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, Protocol

from gapura_features.pushing import Command


class Unread(Enum):
    """Stands for a row of which nothing is known, since its store did not answer."""

    UNREAD = "unread"


UNREAD: Final = Unread.UNREAD

# A packed row, None where none is stored, or UNREAD.
Found = bytes | None | Unread


class Listener(Protocol):
    """Is told what changes in the store."""

    def changed(self, keys: Iterable[bytes]) -> None:
        """Takes the keys that were written or deleted; each begins with one of the prefixes that are followed."""

    def lost(self) -> None:
        """Takes that changes may be missed from now on, until `followed`."""

    def followed(self) -> None:
        """Takes that every change is told from now on."""


class RowSource(Protocol):
    """A store of packed rows: one Redis, what a Sentinel names, or a cluster."""

    async def read(self, keys: Sequence[str]) -> list[Found]:
        """Reads rows, together.

        It never raises, and takes no longer than the store's answer may take; rows that could not be read are UNREAD,
        those of the other nodes of a cluster are not.
        """

    async def write(self, commands: Sequence[Command]) -> list[object]:
        """Carries out commands, in their order for each key; returns their answers.

        Raises:
            Unavailable: The store does not answer; some may have been carried out.
        """

    async def check(self) -> bool:
        """Says whether the store answers."""

    def follow(self, prefixes: frozenset[str]) -> None:
        """Names the beginnings of the keys whose changes are told from now on, none of which begins another."""

    async def run(self, listener: Listener) -> None:
        """Tells a listener of changes, for ever, and connects anew when a connection is lost."""

    async def close(self) -> None:
        """Closes the connections; nothing is called afterwards."""
