"""Changes the wires of a graph: the names of its values, and what stands at its ends."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

_LEAST_OPSET = 15


def list_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Returns the nodes of a graph, those of branches and loops included."""
    return [node for body in _bodies(graph) for node in body.node]


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Renames a value wherever the graph's nodes mention it, those of branches and loops included."""
    for node in list_nodes(graph):
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for body in list(_bodies(graph))[1:]:  # a branch may answer with a value from outside
        for output in body.output:
            output.name = new if output.name == old else output.name
    for tensor in graph.initializer:
        tensor.name = new if tensor.name == old else tensor.name
    for value in graph.value_info:
        value.name = new if value.name == old else value.name


def fresh(graph: onnx.GraphProto, name: str) -> str:
    """Returns a name like `name` that no value of the graph has."""
    taken = {value.name for value in [*graph.input, *graph.output]} | {tensor.name for tensor in graph.initializer}
    taken |= {used for node in list_nodes(graph) for used in [*node.input, *node.output]}
    return next(
        free for number in range(len(taken) + 1) if (free := f"{name}_{number}" if number else name) not in taken
    )


def add_constant(graph: onnx.GraphProto, name: str, value: Any) -> str:
    """Adds a constant; returns its name, which is a fresh one."""
    free = fresh(graph, name)
    graph.initializer.append(numpy_helper.from_array(np.asarray(value), free))
    return free


def append_behind(graph: onnx.GraphProto, output: onnx.ValueInfoProto, op_type: str, *more: str, **how: Any) -> None:
    """Puts a node between the graph and one of its outputs, which keeps its name.

    Args:
        graph: What is changed.
        output: One of its outputs.
        op_type: Operator of the node.
        more: Names of the node's further inputs.
        how: Attributes of the node.
    """
    inner = fresh(graph, f"{output.name}_{op_type.lower()}")
    rename(graph, output.name, inner)
    graph.node.append(
        helper.make_node(op_type, [inner, *more], [output.name], name=fresh(graph, f"{inner}_node"), **how)
    )
    output.type.tensor_type.ClearField("shape")


def raise_opset(model: onnx.ModelProto, domain: str, version: int) -> None:
    """Declares a newer set of operators, where what the graph uses of it has not changed since."""
    others = [opset for opset in model.opset_import if opset.domain != domain]
    del model.opset_import[:]
    model.opset_import.extend([*others, helper.make_opsetid(domain, version)])


def bypass_zipmaps(model: onnx.ModelProto) -> dict[str, tuple[str, ...]]:
    """Lets the outputs that are sequences of maps answer the matrix behind them; returns its columns by output."""
    graph, classes = model.graph, {}
    zipmaps = {node.output[0]: node for node in graph.node if node.op_type == "ZipMap"}
    for output in graph.output:
        node = zipmaps.get(output.name)
        if node is None:
            continue
        classes[output.name] = _classes_of(node)
        graph.node.remove(node)
        graph.node.append(helper.make_node("Identity", [node.input[0]], [output.name], name=fresh(graph, "unzipped")))
        output.CopyFrom(helper.make_tensor_value_info(output.name, _score_type(model, node.input[0]), None))
    if classes and all(opset.domain not in ("", "ai.onnx") for opset in model.opset_import):
        raise_opset(model, "", _LEAST_OPSET)  # trees alone need none of its operators
    return classes


def _classes_of(node: onnx.NodeProto) -> tuple[str, ...]:
    named = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if named.get("classlabels_strings"):
        return tuple(label.decode() for label in named["classlabels_strings"])
    return tuple(str(label) for label in named.get("classlabels_int64s", ()))


def _score_type(model: onnx.ModelProto, name: str) -> int:
    """Type of the values that a ZipMap takes: singles, unless the graph says otherwise."""
    known = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    return known.get(name) or onnx.TensorProto.FLOAT


def _bodies(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph itself, and every branch and loop inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
            for body in inner:
                yield from _bodies(body)
