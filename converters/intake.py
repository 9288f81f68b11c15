"""Gives a graph the inputs that are served, whatever inputs its converter gave it."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from converters.errors import ConversionError
from converters.rewiring import add_constant, fresh, rename
from converters.signature import TensorSpec

DATATYPES: dict[int, str] = {
    TensorProto.BOOL: "BOOL",
    TensorProto.FLOAT16: "FP16",
    TensorProto.FLOAT: "FP32",
    TensorProto.DOUBLE: "FP64",
    TensorProto.STRING: "BYTES",
    **{getattr(TensorProto, f"INT{bits}"): f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{getattr(TensorProto, f"UINT{bits}"): f"UINT{bits}" for bits in (8, 16, 32, 64)},
}
ELEMENT_TYPES = {name: number for number, name in DATATYPES.items()}


def connect(graph: onnx.GraphProto, served: tuple[TensorSpec, ...]) -> None:
    """Puts the served tensors before the inputs of a graph: casts them, joins columns, or takes a matrix apart.

    Raises:
        ConversionError: The graph takes something else.
    """
    inner = list(graph.input)
    names = {value.name for value in inner}
    served_names = {tensor.name for tensor in served}
    if names == served_names:
        nodes = [node for tensor in served for node in _cast_input(graph, tensor)]
    elif len(inner) == 1 and all(tensor.dims == (1,) for tensor in served):
        nodes = _join(graph, inner[0], served)
    elif len(served) == 1 and names == set(served[0].columns):
        nodes = _split(graph, served[0])
    elif len(inner) == len(served) == 1:
        rename(graph, inner[0].name, served[0].name)
        inner[0].name = served[0].name
        nodes = _cast_input(graph, served[0])
    else:
        raise ConversionError(
            f"the graph takes {', '.join(sorted(names))}, the signature says {', '.join(sorted(served_names))}:"
            " log the model with the signature of what it takes"
        )
    _prepend(graph, nodes)
    del graph.input[:]
    graph.input.extend(_declare(tensor) for tensor in served)


def _declare(tensor: TensorSpec) -> onnx.ValueInfoProto:
    free = [f"{tensor.name}_{axis}" if dim < 0 else dim for axis, dim in enumerate(tensor.dims)]
    return helper.make_tensor_value_info(tensor.name, ELEMENT_TYPES[tensor.datatype], ["rows", *free])


def _cast_input(graph: onnx.GraphProto, tensor: TensorSpec) -> list[onnx.NodeProto]:
    """Nothing where the types agree."""
    wanted = next(value.type.tensor_type.elem_type for value in graph.input if value.name == tensor.name)
    if ELEMENT_TYPES[tensor.datatype] == wanted:
        return []
    cast = fresh(graph, f"{tensor.name}_cast")
    rename(graph, tensor.name, cast)
    return [_cast(tensor, cast, wanted)]


def _cast(tensor: TensorSpec, target: str, wanted: int) -> onnx.NodeProto:
    if "BYTES" in (tensor.datatype, DATATYPES.get(wanted)):
        raise ConversionError(f"{tensor.name!r} is {tensor.datatype}, but the model computes with numbers: encode it")
    return helper.make_node("Cast", [tensor.name], [target], to=wanted)


def _join(graph: onnx.GraphProto, matrix: onnx.ValueInfoProto, columns: tuple[TensorSpec, ...]) -> list[onnx.NodeProto]:
    """Casts columns to the matrix's type and lays them side by side."""
    wanted = matrix.type.tensor_type.elem_type
    joined = fresh(graph, "columns_joined")
    rename(graph, matrix.name, joined)
    casts = [_cast(column, f"{joined}_{number}", wanted) for number, column in enumerate(columns)]
    names = [cast.output[0] for cast in casts]
    return [*casts, helper.make_node("Concat", names, [joined], axis=1)]


def _split(graph: onnx.GraphProto, matrix: TensorSpec) -> list[onnx.NodeProto]:
    """Takes a matrix apart into the columns that the graph takes."""
    inner = {value.name: value.type.tensor_type.elem_type for value in graph.input}
    sizes = add_constant(graph, "column_sizes", np.ones(len(matrix.columns), dtype=np.int64))
    nodes, parts = [], []
    for number, name in enumerate(matrix.columns):
        column, part = fresh(graph, f"column_{number}"), f"part_{number}"
        rename(graph, name, column)
        parts.append(part)
        nodes.append(helper.make_node("Cast", [part], [column], to=inner[name]))
    return [helper.make_node("Split", [matrix.name, sizes], parts, axis=1), *nodes]


def _prepend(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
