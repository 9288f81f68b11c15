"""No guard: where nothing is counted, nothing can be judged."""

from collections.abc import Mapping
from typing import Any

from gateway.types import Model


class NoSentry:
    """Watches nothing."""

    def tell(self, models: Mapping[str, Model]) -> None:
        """Does nothing."""

    async def run(self) -> None:
        """Does nothing."""

    def describe(self) -> list[dict[str, Any]]:
        """Says nothing of any arm."""
        return []
