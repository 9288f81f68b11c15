"""What graphs of neural networks have in common: singles inside, and outputs that their last operator explains."""

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray

from converters.graph import BOUNDED, IR_VERSION, PREDICTION, PROBABILITIES, UNBOUNDED, Graph, Native
from converters.signature import MATRIX, Feeds, InputSpec
from converters.tables import to_matrix

_PROBABLE = frozenset({"Softmax", "Sigmoid"})
_HALVES = "it computes in half precision, which every runtime rounds in its own way: log it in singles"
_PASSING = frozenset({"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze"})

Answers = Mapping[str, NDArray[Any]] | Sequence[NDArray[Any]] | NDArray[Any]


def fed_tensors(feeds: Feeds, inputs: InputSpec) -> Feeds:
    """Returns what a network is fed with: a table's numbers side by side, texts and tensors as they are."""
    whole = bool(inputs.shapes) or "BYTES" in inputs.datatypes
    return feeds if whole else {MATRIX: to_matrix(feeds, inputs)}


def name_answers(answers: Any, names: Sequence[str]) -> dict[str, Any]:
    """Returns answers of a network, which come alone, in order or by name, by the names that are served."""
    if isinstance(answers, Mapping) and len(answers) > 1:
        return {str(name): answer for name, answer in answers.items()}
    if isinstance(answers, Mapping):
        answers = list(answers.values())
    ordered = answers if isinstance(answers, list | tuple) else [answers]
    return dict(zip(names, ordered, strict=True))


def choose_names(model: onnx.ModelProto, own: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of a network's outputs: its own where it has several, else what the one output is.

    Args:
        model: The graph.
        own: Names that the network itself gives; none where it gives none.
    """
    if len(model.graph.output) == 1:
        return (PROBABILITIES if _is_probable(model.graph) else PREDICTION,)
    return tuple(own) or tuple(f"output_{number}" for number in range(len(model.graph.output)))


def make_graph(model: onnx.ModelProto, native: Native, names: tuple[str, ...]) -> Graph:
    """Returns the graph of a network."""
    model.ir_version = min(model.ir_version, IR_VERSION)
    halves = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in model.graph.initializer)
    tolerance = BOUNDED if names == (PROBABILITIES,) else UNBOUNDED
    return Graph(model, native, names, tolerance, advice=_HALVES if halves else "")


def _is_probable(graph: onnx.GraphProto) -> bool:
    """Whether the last operator that computes makes probabilities."""
    makers = {name: node for node in graph.node for name in node.output}
    node = makers.get(graph.output[0].name)
    while node is not None and node.op_type in _PASSING:
        node = makers.get(node.input[0])
    return node is not None and node.op_type in _PROBABLE
