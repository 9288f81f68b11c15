"""Gives a converted graph the outputs that are served: known names, true shapes, a free batch size."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from converters.errors import ConversionError
from converters.graph import Graph
from converters.session import open_session, run
from converters.signature import InputSpec, Signature, TensorSpec

_BATCHES = (1, 2, 17)
_DATATYPES: dict[int, str] = {
    TensorProto.FLOAT: "FP32",
    TensorProto.DOUBLE: "FP64",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.BOOL: "BOOL",
}


def normalise(graph: Graph, inputs: InputSpec) -> tuple[onnx.ModelProto, Signature]:
    """Returns a copy of the graph with true outputs, and its signature.

    Raises:
        ConversionError: An output cannot be served, or the graph fixes its batch size.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    names = graph.task.names
    _refuse_unservable(model, names)
    for output, name in zip(model.graph.output, names, strict=True):
        _rename(model.graph, output, name)
    for name in _flat_outputs(model, inputs):
        _make_column(model.graph, name)
    shapes = _row_shapes(model, inputs)
    labels = {graph.task.score: graph.labels}
    outputs = tuple(_declare(output, shapes[output.name], labels.get(output.name, ())) for output in model.graph.output)
    onnx.checker.check_model(model)
    return model, Signature((_input_of(model, inputs),), outputs)


def _refuse_unservable(model: onnx.ModelProto, names: tuple[str, ...]) -> None:
    outputs = model.graph.output
    for output in outputs:
        if output.type.WhichOneof("value") != "tensor_type":
            raise ConversionError(f"output {output.name!r} is a sequence of maps (ZipMap): convert with zipmap off")
        if output.type.tensor_type.elem_type not in _DATATYPES:
            kind = TensorProto.DataType.Name(output.type.tensor_type.elem_type)
            raise ConversionError(f"output {output.name!r} holds {kind}: train on classes that are whole numbers")
    if len(outputs) != len(names):
        found = ", ".join(output.name for output in outputs)
        raise ConversionError(f"the graph answers {found}; expected {', '.join(names)}")


def _rename(graph: onnx.GraphProto, output: onnx.ValueInfoProto, name: str) -> None:
    """Renames an output wherever the graph's nodes mention it."""
    old = output.name
    for node in graph.node:
        node.input[:] = [name if value == old else value for value in node.input]
        node.output[:] = [name if value == old else value for value in node.output]
    output.name = name


def _probe(model: onnx.ModelProto, inputs: InputSpec) -> list[dict[str, NDArray[Any]]]:
    """Answers for batches of 1, 2 and 17 rows of zeros."""
    session = open_session(model.SerializeToString())
    return [run(session, np.zeros((rows, len(inputs.columns)), dtype=inputs.dtype)) for rows in _BATCHES]


def _flat_outputs(model: onnx.ModelProto, inputs: InputSpec) -> list[str]:
    """Outputs that are a plain list of values, one per row."""
    return [name for name, answer in _probe(model, inputs)[-1].items() if answer.shape == _BATCHES[-1:]]


def _make_column(graph: onnx.GraphProto, name: str) -> None:
    """Turns the output `[rows]` into `[rows, 1]`."""
    flat = f"{name}_flat"
    for node in graph.node:
        node.input[:] = [flat if value == name else value for value in node.input]
        node.output[:] = [flat if value == name else value for value in node.output]
    axes = f"{name}_axes"
    graph.initializer.append(numpy_helper.from_array(np.array([1], dtype=np.int64), axes))
    graph.node.append(helper.make_node("Unsqueeze", [flat, axes], [name], name=f"{name}_column"))
    for output in graph.output:
        if output.name == name:
            output.type.tensor_type.ClearField("shape")


def _row_shapes(model: onnx.ModelProto, inputs: InputSpec) -> dict[str, tuple[int, ...]]:
    """Dimensions of one row of every output, the same for every batch size."""
    shapes: dict[str, tuple[int, ...]] = {}
    for rows, answers in zip(_BATCHES, _probe(model, inputs), strict=True):
        for name, answer in answers.items():
            row = shapes.setdefault(name, answer.shape[1:])
            if answer.shape != (rows, *row):
                raise ConversionError(f"output {name!r} has shape {list(answer.shape)} for a batch of {rows}")
    return shapes


def _declare(output: onnx.ValueInfoProto, row: tuple[int, ...], labels: tuple[str, ...]) -> TensorSpec:
    """Writes the true shape into the graph and returns the tensor."""
    elem_type = output.type.tensor_type.elem_type
    output.CopyFrom(helper.make_tensor_value_info(output.name, elem_type, ["rows", *row]))
    return TensorSpec(output.name, _DATATYPES[elem_type], row, labels)


def _input_of(model: onnx.ModelProto, inputs: InputSpec) -> TensorSpec:
    names = [value.name for value in model.graph.input]
    if names != ["input"]:
        raise ConversionError(f"the graph takes {', '.join(names)}; expected the one tensor 'input'")
    return TensorSpec("input", inputs.datatype, (len(inputs.columns),), inputs.columns)
