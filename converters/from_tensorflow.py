"""Converts Keras models with tf2onnx."""

from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from onnx import numpy_helper

from converters.errors import ConversionError
from converters.graph import Graph, Native
from converters.networks import choose_names, fed_tensors, make_graph, name_answers
from converters.rewiring import rename
from converters.signature import Feeds, InputSpec

_OPSET = 18  # the newest that tf2onnx writes


def convert(model: Any, inputs: InputSpec, rows: Feeds) -> Graph:
    """Converts a Keras model by the function that it computes, whatever it is made of.

    Raises:
        ConversionError: tf2onnx cannot express what the model does.
    """
    if not isinstance(model, keras.Model):
        raise ConversionError(f"{type(model).__name__} is no Keras model: log a keras.Model")
    example = _cast(model, fed_tensors(rows, inputs))
    answers = _ask(model, example)  # builds what is not built yet
    graph = _export(model, example, inputs)
    own = sorted(answers) if isinstance(answers, dict) else list(getattr(model, "output_names", ()))
    names = choose_names(graph, own)
    return make_graph(graph, _native(model, inputs, names), names)


def _cast(model: Any, feeds: Feeds) -> dict[str, Any]:
    """Floats in the precision that the model computes in, the rest as it is."""
    return {
        name: array.astype(model.compute_dtype) if array.dtype.kind == "f" else array for name, array in feeds.items()
    }


def _arguments(model: Any, tensors: dict[str, Any]) -> Any:
    """One tensor alone; several by name where the model knows these names, else in order."""
    if len(tensors) == 1:
        return next(iter(tensors.values()))
    own = [tensor.name for tensor in getattr(model, "inputs", None) or ()]
    return tensors if set(own) == tensors.keys() else list(tensors.values())


def _ask(model: Any, tensors: dict[str, Any]) -> Any:
    try:
        return model(_arguments(model, {name: tf.constant(array) for name, array in tensors.items()}), training=False)
    except Exception as error:  # the model is foreign code
        reason = str(error).strip().partition("\n")[0]
        raise ConversionError(f"the model cannot answer its own rows ({type(error).__name__}: {reason})") from error


def _export(model: Any, example: dict[str, Any], inputs: InputSpec) -> onnx.ModelProto:
    """TensorFlow changes names that are not to its taste, so tensors travel by number."""
    dims = dict(zip(inputs.columns, inputs.shapes, strict=True)) if inputs.shapes else {}
    specs = [
        tf.TensorSpec(
            [None, *(None if dim < 0 else dim for dim in dims.get(name, array.shape[1:]))],
            tf.string if array.dtype == object else array.dtype,
            name=f"tensor_{number}",
        )
        for number, (name, array) in enumerate(example.items())
    ]
    names = list(example)

    def answer(*tensors: Any) -> Any:
        return model(_arguments(model, dict(zip(names, tensors, strict=True))), training=False)

    serve = tf.function(answer, input_signature=specs)
    try:
        graph, _ = tf2onnx.convert.from_function(serve, input_signature=specs, opset=_OPSET)
    except Exception as error:  # tf2onnx raises anything from ValueError to its own types
        reason = str(error).strip().partition("\n")[0]
        raise ConversionError(f"tf2onnx cannot convert {type(model).__name__}: {reason}") from error
    converted: onnx.ModelProto = graph
    _fill_captured(converted.graph, serve.get_concrete_function())
    for value, name in zip(converted.graph.input, names, strict=True):
        rename(converted.graph, value.name, name)
        value.name = name
    return converted


def _fill_captured(graph: onnx.GraphProto, function: Any) -> None:
    """Constants that the function refers to became inputs; tables of texts did so too, and have no value."""
    captured = {inner.name.partition(":")[0]: outer for outer, inner in function.graph.captures}
    kept = [value for value in graph.input if value.name.startswith("tensor_")]
    for value in graph.input:
        if value in kept:
            continue
        found = captured.get(value.name.partition(":")[0])
        if found is None or found.dtype not in (tf.float32, tf.float64, tf.int32, tf.int64):
            raise ConversionError(
                "the model looks texts or other keys up in a table, which ONNX has no operator for: turn them into"
                " numbers before the model"
            )
        graph.initializer.append(numpy_helper.from_array(found.numpy(), value.name))
    kept.sort(key=lambda value: int(value.name.partition(":")[0].removeprefix("tensor_")))
    del graph.input[:]
    graph.input.extend(kept)


def _native(model: Any, inputs: InputSpec, names: tuple[str, ...]) -> Native:
    def answer(feeds: Feeds) -> Feeds:
        answers = name_answers(_ask(model, _cast(model, fed_tensors(feeds, inputs))), names)
        return {name: np.asarray(tensor) for name, tensor in answers.items()}

    return answer
