"""Labels of classifiers: the class with the highest score, whatever a class is."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from converters.rewiring import add_constant, fresh, list_nodes

_ONE_LINE = str.maketrans("\n\0", "  ")  # Triton reads a name per line, up to a NUL


def name_classes(classes: Any) -> tuple[str, ...]:
    """Names of the classes in the order of their scores, each one line; none where they are their own positions."""
    if np.array_equal(classes, np.arange(len(classes))):
        return ()
    return tuple(str(name).translate(_ONE_LINE) for name in classes)


def label_best(graph: onnx.GraphProto, classes: np.ndarray[Any, Any]) -> None:
    """Lets a graph answer the class with the highest score before its last output, in place of any other label.

    Args:
        graph: Its last output are scores, `[rows, classes]`.
        classes: Labels in the order of the scores.
    """
    scores = graph.output[-1].name
    del graph.output[:-1]
    best, label = fresh(graph, "best"), fresh(graph, "best_class")
    known = add_constant(graph, "classes", storable(classes))
    graph.node.append(helper.make_node("ArgMax", [scores], [best], axis=1, keepdims=1))
    graph.node.append(helper.make_node("Gather", [known, best], [label]))
    scored = graph.output.pop()
    held = TensorProto.STRING if classes.dtype.kind in "OSU" else TensorProto.INT64
    graph.output.extend([helper.make_tensor_value_info(label, held, [None, 1]), scored])
    _drop_unused(graph)


def storable(classes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Labels are whole numbers or texts; truth values become 0 and 1."""
    return classes.astype(object if classes.dtype.kind in "OSU" else np.int64)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Removes what only the replaced label needed."""
    while True:
        used = {name for node in list_nodes(graph) for name in node.input} | {value.name for value in graph.output}
        idle = [node for node in graph.node if not used.intersection(node.output)]
        if not idle:
            return
        for node in idle:
            graph.node.remove(node)
