"""Takes graphs that others made: as they are, their names included, with ends that can be served."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from converters.differences import measure
from converters.drawing import draw_rows
from converters.errors import ConversionError
from converters.foreign import ask_requests
from converters.graph import HALF, LOCALE, UNBOUNDED, Graph, Tolerance
from converters.intake import DATATYPES
from converters.layout import join, take
from converters.operators import require_known
from converters.rewiring import add_constant, append_behind, bypass_zipmaps, fresh, list_nodes, rename
from converters.session import open_session, run
from converters.signature import Feeds, InputSpec

_LARGEST_BYTES = 2**31 - 2**20  # protobuf's limit, less what the ends may grow by
_LEAST_IR_VERSION = 4  # earlier ones want every weight among the inputs as well


def read_graph(model: Any) -> onnx.ModelProto:
    """Reads a graph from a file, with the weights that lie beside it, or from bytes.

    Raises:
        ConversionError: It is damaged, lacks weights, or is too large to travel as one file.
    """
    if isinstance(model, onnx.ModelProto):
        return model
    try:
        graph = onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(Path(model))
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ConversionError(
            f"the ONNX file cannot be read: {error}; weights kept beside it must go with it"
        ) from error
    if graph.ByteSize() > _LARGEST_BYTES:
        raise ConversionError("the graph is larger than 2 GiB, which one file cannot hold: export it in half precision")
    if not graph.graph.output:
        raise ConversionError("the ONNX file is empty or damaged: it has no outputs")
    return graph


def prepare(model: Any) -> onnx.ModelProto:
    """Returns a copy of a graph whose ends are tensors with at least one dimension; no name changes.

    Raises:
        ConversionError: An end cannot be served; the message says which and why.
    """
    copied = onnx.ModelProto()
    copied.CopyFrom(read_graph(model))
    copied.ir_version = max(copied.ir_version, _LEAST_IR_VERSION)
    graph = copied.graph
    require_known(copied)
    bypass_zipmaps(copied)
    _set_locales(graph)
    _drop_constant_inputs(graph)
    for value in [*graph.input, *graph.output]:
        _require_tensor(value)
    for value in [value for value in graph.input if not value.type.tensor_type.shape.dim]:
        _lift_scalar(graph, value)
    shapes = {output.name: output.shape for output in open_session(copied.SerializeToString()).get_outputs()}
    for output in graph.output:
        if _is_scalar(output, shapes[output.name]):
            append_behind(graph, output, "Reshape", add_constant(graph, "one_value", np.array([1], dtype=np.int64)))
            output.CopyFrom(helper.make_tensor_value_info(output.name, output.type.tensor_type.elem_type, [1]))
    return copied


def read_spec(model: onnx.ModelProto, *, batched: bool) -> InputSpec:
    """Returns what a prepared graph takes; shapes are without the batch where there is one."""
    values = list(model.graph.input)
    shapes = tuple(tuple(dim.dim_value or -1 for dim in value.type.tensor_type.shape.dim) for value in values)
    rows = tuple(shape[1:] or (1,) for shape in shapes)
    datatypes = tuple(DATATYPES[value.type.tensor_type.elem_type] for value in values)
    return InputSpec(tuple(value.name for value in values), datatypes, shapes=rows if batched else shapes)


def has_batch(model: onnx.ModelProto) -> bool:
    """Whether the first dimensions of a graph's inputs are free, and the same."""
    firsts = [value.type.tensor_type.shape.dim[0] for value in model.graph.input]
    names = {dim.dim_param for dim in firsts if dim.dim_param}
    return bool(firsts) and len(names) <= 1 and not any(dim.HasField("dim_value") for dim in firsts)


def square(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a copy whose inputs `[rows]` are `[rows, 1]`, as a row of a batch has at least one dimension."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    for value in copied.graph.input:
        if len(value.type.tensor_type.shape.dim) == 1:
            _put_before(copied.graph, value, np.array([-1], dtype=np.int64), ["rows", 1])
    return copied


def take_over(model: Any) -> tuple[onnx.ModelProto, InputSpec, bool]:
    """Returns a graph that can be served, what it takes, and whether the first dimension is the batch.

    It is where all inputs say so and rows are answered alike in batches of 1 and 2; otherwise requests are whole.

    Raises:
        ConversionError: An end cannot be served.
    """
    prepared = prepare(model)
    if has_batch(prepared):
        squared = square(prepared)
        spec = read_spec(squared, batched=True)
        if _keeps_rows_apart(squared, spec):
            return squared, spec, True
    return prepared, read_spec(prepared, batched=False), False


def convert(model: Any, inputs: InputSpec, rows: Feeds) -> Graph:  # noqa: ARG001 - it is a graph already
    """Takes a graph of `take_over`; it is proven against itself without the runtime's rewriting.

    Raises:
        ConversionError: The runtime cannot load it.
    """
    session = open_session(model.SerializeToString(), optimised=False)
    names = tuple(output.name for output in model.graph.output)
    ranks = [len(value.type.tensor_type.shape.dim) for value in model.graph.input]
    if ranks == [len(shape) for shape in inputs.shapes]:
        return Graph(model, ask_requests(session), names, tolerance_of(model))
    return Graph(model, lambda feeds: _as_columns(run(session, feeds)), names, tolerance_of(model))


def _as_columns(answers: Feeds) -> Feeds:
    return {name: array.reshape(-1, 1) if array.ndim == 1 else array for name, array in answers.items()}


def _keeps_rows_apart(model: onnx.ModelProto, spec: InputSpec) -> bool:
    session = open_session(model.SerializeToString(), optimised=False)
    rows = draw_rows(2, spec, None)
    try:
        both = run(session, rows)
        alone = [run(session, take(rows, slice(row, row + 1))) for row in range(2)]
    except ConversionError:
        return False
    if any(
        array.ndim == 0 or len(array) != size for size, each in ((2, both), (1, alone[0])) for array in each.values()
    ):
        return False
    return bool(measure(join(alone), both, tolerance_of(model)).max() <= tolerance_of(model).value)


def tolerance_of(model: onnx.ModelProto) -> Tolerance:
    """Returns how far a graph may lie from itself: much, where it computes in half precision."""
    kinds = {value.type.tensor_type.elem_type for value in [*model.graph.input, *model.graph.output]}
    kinds |= {tensor.data_type for tensor in model.graph.initializer}
    return HALF if TensorProto.FLOAT16 in kinds else UNBOUNDED


def _set_locales(graph: onnx.GraphProto) -> None:
    """The default locale of this operator is not there on small systems."""
    for node in list_nodes(graph):
        if node.op_type == "StringNormalizer" and all(attribute.name != "locale" for attribute in node.attribute):
            node.attribute.append(helper.make_attribute("locale", LOCALE))


def _drop_constant_inputs(graph: onnx.GraphProto) -> None:
    """Inputs with a value of their own need no caller; old exporters list all weights among them."""
    known = {tensor.name for tensor in graph.initializer}
    kept = [value for value in graph.input if value.name not in known]
    del graph.input[:]
    graph.input.extend(kept)


def _require_tensor(value: onnx.ValueInfoProto) -> None:
    kind = value.type.WhichOneof("value") or "value without a type"
    if kind != "tensor_type":
        raise ConversionError(
            f"{value.name!r} is a {kind.removesuffix('_type')}, which cannot be served: let the graph end in tensors"
        )
    if value.type.tensor_type.elem_type not in DATATYPES:
        held = TensorProto.DataType.Name(value.type.tensor_type.elem_type)
        raise ConversionError(f"{value.name!r} holds {held}, which cannot be served: cast it inside the graph")


def _is_scalar(output: onnx.ValueInfoProto, inferred: list[Any]) -> bool:
    return output.type.tensor_type.HasField("shape") and not output.type.tensor_type.shape.dim and not inferred


def _lift_scalar(graph: onnx.GraphProto, value: onnx.ValueInfoProto) -> None:
    """A request's tensor has a dimension at least: the scalar is taken out of it inside the graph."""
    if not value.type.tensor_type.HasField("shape"):
        raise ConversionError(f"input {value.name!r} has no shape: declare its dimensions in the graph")
    _put_before(graph, value, np.array([], dtype=np.int64), [1])


def _put_before(
    graph: onnx.GraphProto, value: onnx.ValueInfoProto, inner: np.ndarray[Any, Any], served: list[Any]
) -> None:
    """Lets an input have another shape than the graph computes with."""
    name, elem_type = value.name, value.type.tensor_type.elem_type
    shaped = fresh(graph, f"{name}_inner")
    rename(graph, name, shaped)
    graph.node.insert(0, helper.make_node("Reshape", [name, add_constant(graph, f"{name}_shape", inner)], [shaped]))
    value.CopyFrom(helper.make_tensor_value_info(name, elem_type, served))
