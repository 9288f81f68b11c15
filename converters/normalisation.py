"""Gives a converted graph the ends that are served: known names and types, true shapes, a free batch size."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from converters.errors import ConversionError
from converters.graph import IR_VERSION, Graph
from converters.intake import DATATYPES, connect
from converters.layout import take
from converters.operators import require_known
from converters.rewiring import add_constant, append_behind, bypass_zipmaps, fresh, rename
from converters.session import open_session, run
from converters.signature import Feeds, InputSpec, Signature, TensorSpec

BATCHES = (1, 2, 17)


def normalise(graph: Graph, inputs: InputSpec, rows: Feeds) -> tuple[onnx.ModelProto, Signature]:
    """Returns a copy of the graph with true ends, and its signature.

    Args:
        graph: What a converter made; its first dimensions are the batch.
        inputs: What is served.
        rows: 17 rows or more to try it on.

    Raises:
        ConversionError: An output cannot be served, or the graph fixes its batch size.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    model.ir_version = min(model.ir_version, IR_VERSION)
    require_known(model)
    bypass_zipmaps(model)
    _refuse_collisions(inputs.tensors, graph.outputs)
    connect(model.graph, inputs.tensors)
    _name_outputs(model.graph, graph.outputs)
    _refuse_unservable(model.graph)
    for name in _flat_outputs(model, rows):
        _make_column(model.graph, name)
    shapes = _row_shapes(model, rows, free=any(dim < 0 for tensor in inputs.tensors for dim in tensor.dims))
    outputs = tuple(_declare(output, shapes[output.name], graph.columns) for output in model.graph.output)
    onnx.checker.check_model(model)
    return model, Signature(inputs.tensors, outputs)


def _name_outputs(graph: onnx.GraphProto, names: tuple[str, ...]) -> None:
    """Names the outputs; a value inside the graph that has such a name gets out of the way."""
    if len(graph.output) != len(names):
        found = ", ".join(output.name for output in graph.output)
        raise ConversionError(f"the graph answers {found}; expected {', '.join(names)}")
    inner = [fresh(graph, f"answer_{number}") for number in range(len(names))]
    for output, name in zip(graph.output, inner, strict=True):
        rename(graph, output.name, name)
    for output, name, old in zip(graph.output, names, inner, strict=True):
        rename(graph, name, fresh(graph, f"{name}_inner"))
        rename(graph, old, name)
        output.name = name


def _refuse_collisions(inputs: tuple[TensorSpec, ...], outputs: tuple[str, ...]) -> None:
    taken = {tensor.name for tensor in inputs} & set(outputs)
    if taken:
        raise ConversionError(
            f"input {min(taken)!r} has the name of an output: rename it, and train or export the model again"
        )


def _refuse_unservable(graph: onnx.GraphProto) -> None:
    for output in graph.output:
        kind = output.type.WhichOneof("value")
        if kind != "tensor_type":
            raise ConversionError(f"output {output.name!r} is a {kind.removesuffix('_type')}, which is no tensor")
        if output.type.tensor_type.elem_type not in DATATYPES:
            held = TensorProto.DataType.Name(output.type.tensor_type.elem_type)
            raise ConversionError(f"output {output.name!r} holds {held}, which cannot be served")


def _probe(model: onnx.ModelProto, rows: Feeds) -> list[dict[str, NDArray[Any]]]:
    """Answers for batches of 1, 2 and 17 rows."""
    session = open_session(model.SerializeToString())
    return [dict(run(session, take(rows, slice(size)))) for size in BATCHES]


def _flat_outputs(model: onnx.ModelProto, rows: Feeds) -> list[str]:
    """Outputs that are a plain list of values, one per row."""
    return [name for name, answer in _probe(model, rows)[-1].items() if answer.shape == BATCHES[-1:]]


def _make_column(graph: onnx.GraphProto, name: str) -> None:
    """Turns the output `[rows]` into `[rows, 1]`."""
    output = next(output for output in graph.output if output.name == name)
    append_behind(graph, output, "Unsqueeze", add_constant(graph, f"{name}_axes", np.array([1], dtype=np.int64)))


def _row_shapes(model: onnx.ModelProto, rows: Feeds, *, free: bool) -> dict[str, tuple[int, ...]]:
    """Dimensions of one row of every output, the same for every batch size.

    Where inputs have dimensions of any size, `free`, so have the outputs for which the runtime infers none.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for size, answers in zip(BATCHES, _probe(model, rows), strict=True):
        for name, answer in answers.items():
            row = shapes.setdefault(name, answer.shape[1:])
            if answer.shape != (size, *row):
                raise ConversionError(f"output {name!r} has shape {list(answer.shape)} for a batch of {size}")
    if not free:
        return shapes
    inferred = {each.name: each.shape for each in open_session(model.SerializeToString()).get_outputs()}
    return {name: _freed(row, inferred[name][1:]) for name, row in shapes.items()}


def _freed(row: tuple[int, ...], inferred: list[Any]) -> tuple[int, ...]:
    known = inferred if len(inferred) == len(row) else [None] * len(row)
    return tuple(size if isinstance(dim, int) else -1 for size, dim in zip(row, known, strict=True))


def _declare(output: onnx.ValueInfoProto, row: tuple[int, ...], columns: Mapping[str, tuple[str, ...]]) -> TensorSpec:
    """Writes the true shape into the graph and returns the tensor."""
    elem_type = output.type.tensor_type.elem_type
    dims = [f"{output.name}_{axis}" if dim < 0 else dim for axis, dim in enumerate(row)]
    output.CopyFrom(helper.make_tensor_value_info(output.name, elem_type, ["rows", *dims]))
    return TensorSpec(output.name, DATATYPES[elem_type], row, columns.get(output.name, ()))
