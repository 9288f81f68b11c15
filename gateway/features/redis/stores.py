"""What reads and writes need of Redis, be it one server or many."""

from collections.abc import Sequence
from typing import Protocol

from gapura_features.pushing import Command

from gateway.errors import Unavailable
from gateway.features.redis.node import Node
from gateway.features.source import Found


class Store(Protocol):
    """One server, what Sentinels name, or a cluster."""

    async def read(self, keys: Sequence[str]) -> list[Found]:
        """Reads values; it never raises."""

    async def measure(self, keys: Sequence[str]) -> list[object]:
        """Returns the length of each value in bytes, or something else where it is not known; it never raises."""

    async def write(self, commands: Sequence[Command]) -> list[object]:
        """Carries out commands, in their order for each key.

        Raises:
            Unavailable: Something does not answer, or refuses.
        """

    async def check(self) -> bool:
        """Says whether all of it answers."""

    def primaries(self) -> Sequence[Node]:
        """Returns the servers that are written to; none where they are not known."""

    async def close(self) -> None:
        """Closes the connections."""


def unavailable(problem: object) -> Unavailable:
    """Returns the error that a store cannot be written."""
    return Unavailable("FEATURES_UNAVAILABLE", f"features cannot be written to Redis: {problem}; try again")
