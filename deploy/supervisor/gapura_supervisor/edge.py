"""What stands before the workers and is told which of them take calls."""

from collections.abc import Sequence
from typing import Protocol


class Edge(Protocol):
    """Chooses a worker for every call."""

    async def route(self, addresses: Sequence[str]) -> None:
        """Reads its configuration anew, and sends new calls to these workers alone from its return on.

        Raises:
            SupervisionError: It does not take the configuration; everything is as before.
        """
        ...

    async def follow(self) -> None:
        """Reads its configuration anew if that has changed since.

        Raises:
            SupervisionError: It does not take the configuration; everything is as before, until the next change.
        """
        ...


class NoEdge:
    """Workers that share a port: the kernel hands each new connection to one that listens."""

    async def route(self, addresses: Sequence[str]) -> None:
        """There is nobody to tell."""

    async def follow(self) -> None:
        """There is nothing to read."""
