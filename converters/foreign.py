"""Serves graphs that others made and that take no batches: a request is whole, and has shapes of its own."""

import numpy as np
import onnx
import onnxruntime

from converters.drawing import draw_rows
from converters.errors import ConversionError
from converters.graph import IR_VERSION, Graph, Native
from converters.intake import DATATYPES
from converters.layout import count_rows, join
from converters.session import open_session, run
from converters.signature import Feeds, InputSpec, Signature, TensorSpec

_SIZES = (1, 2, 17)


def describe_requests(graph: Graph, inputs: InputSpec) -> tuple[onnx.ModelProto, Signature]:
    """Returns a prepared graph as it is, and its signature with whole shapes.

    Raises:
        ConversionError: It does not take the sizes that it declares.
    """
    model = graph.model
    model.ir_version = min(model.ir_version, IR_VERSION)
    session = open_session(model.SerializeToString())
    _try_sizes(session, inputs)
    shapes = {output.name: output.shape for output in session.get_outputs()}
    outputs = tuple(
        TensorSpec(
            output.name,
            DATATYPES[output.type.tensor_type.elem_type],
            tuple(dim if isinstance(dim, int) else -1 for dim in shapes[output.name]),
        )
        for output in model.graph.output
    )
    return model, Signature(inputs.tensors, outputs)


def ask_requests(session: onnxruntime.InferenceSession) -> Native:
    """Returns a session as a function of stacked requests, `[requests, …]`, which it answers one by one."""

    def answer(feeds: Feeds) -> Feeds:
        rows = range(count_rows(feeds))
        requests = [{name: array[row] for name, array in feeds.items()} for row in rows]
        return join([{name: array[np.newaxis] for name, array in run(session, each).items()} for each in requests])

    return answer


def _try_sizes(session: onnxruntime.InferenceSession, inputs: InputSpec) -> None:
    """Dimensions that the graph leaves free have to be free."""
    for size in _SIZES if any(dim < 0 for shape in inputs.shapes for dim in shape) else ():
        sized = tuple(tuple(size if dim < 0 else dim for dim in shape) for shape in inputs.shapes)
        spec = InputSpec(inputs.columns, inputs.datatypes, shapes=sized)
        request = {name: array[0] for name, array in draw_rows(1, spec, None).items()}
        try:
            run(session, request)
        except ConversionError as error:
            raise ConversionError(
                f"the graph declares dimensions of any size and fails on {size}: declare the true ones ({error})"
            ) from error
