"""What the publisher asks of a node. Every method raises NodeDownError where the node does not answer."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


class Node(Protocol):
    """A server that loads models of the repository when it is told to."""

    @property
    def address(self) -> str:
        """Where it listens, `host:port`."""

    def ready(self) -> Mapping[str, frozenset[int]]:
        """Returns the versions that answer, by model."""

    def load(self, model: str) -> None:
        """Loads the versions that the model's configuration names, and drops its others when those are ready.

        Raises:
            NodeRefusedError: It cannot; what was loaded stays.
        """

    def unload(self, model: str) -> None:
        """Drops a model; one that is not loaded is no error.

        Raises:
            NodeRefusedError: It cannot.
        """

    def infer(self, model: str, version: int, inputs: Arrays) -> Arrays:
        """Answers rows; returns the outputs by name.

        Raises:
            NodeRefusedError: The model failed on them, or is not loaded.
        """

    def close(self) -> None:
        """Lets go of the connection."""
