"""What a converter hands to the stages after it: a graph, and the model to prove it against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from converters.signature import Feeds, InputSpec

if TYPE_CHECKING:
    import onnx

Native: TypeAlias = Callable[[Feeds], Feeds]
"""Answers a batch with the original model: arrays `[rows, …]` by the names of the outputs that it has."""

OPSET = {"": 21, "ai.onnx.ml": 3}
IR_VERSION = 10  # the newest that every supported runtime loads
LOCALE = "C.UTF-8"  # of operators on texts: on every system, and lowers more than ASCII

LABEL = "label"
PROBABILITIES = "probabilities"
SCORES = "scores"
SCORE = "score"
PREDICTION = "prediction"
DISTANCES = "distances"
TRANSFORMED = "transformed"
CONTRIBUTIONS = "contributions"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two answers may lie apart: absolutely, or as a share of the native answer (at least of 1)."""

    value: float
    relative: bool


BOUNDED = Tolerance(1e-5, relative=False)  # probabilities, and scores of that size
UNBOUNDED = Tolerance(1e-4, relative=True)  # regressions, distances, decision values
SINGLES = Tolerance(1e-3, relative=True)  # libraries that add large terms up in singles: near 0 few digits are left
HALF = Tolerance(1e-2, relative=True)  # half floats keep three digits, and runtimes round them at other places


@dataclass(frozen=True, slots=True)
class Graph:
    """A converted model that has not been proven yet.

    Attributes:
        model: The graph as the converter wrote it.
        native: The original model. It takes the tensors that are served.
        outputs: Names under which the graph's outputs are served, in order; none leaves its owner's.
        tolerance: How far the answers may lie apart.
        columns: Names of the elements of an output's row, by the output's name.
        advice: What to change where the answers lie further apart; empty where nothing is known.
    """

    model: "onnx.ModelProto"
    native: Native
    outputs: tuple[str, ...]
    tolerance: Tolerance
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    advice: str = ""


class Converter(Protocol):
    """Turns a model of one flavor into a graph."""

    def __call__(self, model: Any, inputs: InputSpec, rows: Feeds) -> Graph:
        """Converts `model`.

        The graph's inputs are the served tensors by name, or one of any name in place of the columns, or a column each
        in place of the matrix; their types may differ from the served ones where a cast loses nothing that the model
        itself keeps.

        Args:
            model: The trained model.
            inputs: What it takes.
            rows: A few rows that it can answer.

        Raises:
            ConversionError: The model cannot be converted faithfully.
        """


class Explainer(Protocol):
    """Lets a graph also answer what each column adds to the score."""

    def __call__(self, graph: Graph, model: Any, inputs: InputSpec) -> Graph:
        """Returns the graph with the output `contributions`, `[rows, columns]`, as the model's own library has them.

        Args:
            graph: What the converter of the same flavor made of the model; its model is extended.
            model: The trained model.
            inputs: What it takes.

        Raises:
            ConversionError: They cannot be computed in the graph.
        """
