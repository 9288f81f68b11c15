"""Shows what a publication is doing, for those who wait for it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Takes what is being done; what became of it is an outcome."""

    def over(self, models: int) -> AbstractContextManager[None]:
        """Begins with a number of models, and ends."""

    def stage(self, name: str, version: int, words: str) -> None:
        """Says what is being done with a version, such as `converting`."""

    def done(self) -> None:
        """Says that a model is through."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def over(self, models: int) -> Iterator[None]:  # noqa: ARG002 - nothing is shown
        """Begins and ends."""
        yield

    def stage(self, name: str, version: int, words: str) -> None:
        """Says nothing."""

    def done(self) -> None:
        """Says nothing."""
