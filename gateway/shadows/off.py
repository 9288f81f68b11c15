"""What stands in the place of the mirror where nothing can be counted."""

from collections.abc import Sequence
from typing import Any

from gateway.feature_views import Features
from gateway.interfaces import Answered, Method
from gateway.types import Arm


class NoMirror:
    """Asks no shadow."""

    def offer(self, method: Method, request: Any, arm: Arm, asked: Answered, features: Sequence[Features]) -> None:
        """Lets the call be."""

    def describe(self) -> Sequence[object]:
        """Says that there are no shadows."""
        return ()

    async def close(self) -> None:
        """Has nothing to end."""
