"""What a converter hands to the stages after it: a graph, and the model to prove it against."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from converters.signature import InputSpec, Rows

if TYPE_CHECKING:
    import onnx

Native = Callable[[Rows], NDArray[np.float64]]


class Task(Enum):
    """What a model answers; the values are the names of its outputs, in order."""

    CLASSIFICATION = ("label", "probabilities")
    REGRESSION = ("prediction",)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        names: tuple[str, ...] = self.value
        return names

    @property
    def score(self) -> str:
        """The output that parity is judged on."""
        return self.names[-1]


@dataclass(frozen=True, slots=True)
class Graph:
    """A converted model that has not been proven yet.

    Attributes:
        model: The graph as the converter wrote it, with the one input `input`.
        native: Scores rows with the original model: [rows, columns] to [rows, scores].
        task: Decides output names and tolerance.
        labels: Names of the scores' columns: a classifier's classes, unless they are 0, 1, 2 …
    """

    model: "onnx.ModelProto"
    native: Native
    task: Task
    labels: tuple[str, ...] = ()


class Converter(Protocol):
    """Turns a model of one flavor into a graph."""

    def __call__(self, model: Any, inputs: InputSpec) -> Graph:
        """Converts `model`.

        Raises:
            ConversionError: The model cannot be converted faithfully.
        """
