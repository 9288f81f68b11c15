"""Converts PyTorch modules with torch's own exporter."""

from typing import Any

import numpy as np
import onnx
import torch

from converters.errors import ConversionError
from converters.graph import OPSET, Graph, Native
from converters.layout import count_rows
from converters.networks import choose_names, fed_tensors, make_graph, name_answers
from converters.signature import Feeds, InputSpec


def convert(model: Any, inputs: InputSpec, rows: Feeds) -> Graph:
    """Converts a module that takes tensors in the order of the signature.

    The example has several rows: of a single one the exporter would make a graph that takes nothing else.

    Raises:
        ConversionError: The exporter refuses the module, or its batch is fixed.
    """
    if not isinstance(model, torch.nn.Module):
        raise ConversionError(f"{type(model).__name__} is no torch.nn.Module: log the module itself")
    model = model.eval().cpu()
    example = _tensors(model, fed_tensors(rows, inputs))
    answers = _ask(model, example)
    own = list(answers) if isinstance(answers, dict) else []
    graph = _export(model, example, inputs)
    names = choose_names(graph, own)
    return make_graph(graph, _native(model, inputs, names), names)


def _tensors(model: torch.nn.Module, feeds: Feeds) -> dict[str, torch.Tensor]:
    """Floats in the precision that the module computes in, the rest as it is."""
    floats = next((each.dtype for each in model.parameters() if each.is_floating_point()), torch.float32)
    tensors = {}
    for name, array in feeds.items():
        if array.dtype == object:
            raise ConversionError(f"{name!r} holds texts, but the module computes with numbers: encode it before")
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        tensors[name] = tensor.to(floats) if tensor.is_floating_point() else tensor
    return tensors


def _ask(model: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> Any:
    try:
        with torch.no_grad():
            return model(*tensors.values())
    except Exception as error:  # the module is foreign code
        raise ConversionError(f"the module cannot answer its own rows ({type(error).__name__}: {error})") from error


def _export(model: torch.nn.Module, example: dict[str, torch.Tensor], inputs: InputSpec) -> onnx.ModelProto:
    """Leaves all dimensions free that the signature does; the batch alone where the exporter knows no better."""
    dims = dict(zip(inputs.columns, inputs.shapes, strict=True)) if inputs.shapes else {}
    free = [[0, *(axis for axis, dim in enumerate(dims.get(name, ()), 1) if dim < 0)] for name in example]
    try:
        return _export_with(model, example, free)
    except ConversionError:
        if all(axes == [0] for axes in free):
            raise
        return _export_with(model, example, [[0] for _ in free])


def _export_with(model: torch.nn.Module, example: dict[str, torch.Tensor], free: list[list[int]]) -> onnx.ModelProto:
    try:
        program = torch.onnx.export(
            model,
            tuple(example.values()),
            input_names=list(example),
            dynamic_shapes=tuple(dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in free),
            opset_version=OPSET[""],
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    except Exception as error:  # the exporter has an error for each of its stages
        raise ConversionError(
            f"torch.onnx cannot export {type(model).__name__}: {_reason(error)}; its forward may not fix the number of"
            " rows, nor decide by the values of tensors"
        ) from error
    if program is None:
        raise ConversionError(f"torch.onnx exported nothing of {type(model).__name__}")
    graph: onnx.ModelProto = program.model_proto
    return graph


def _reason(error: BaseException) -> str:
    """The last word of the error that all others followed from."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "data-dependent" in line), lines[-1] if lines else type(error).__name__)
    return told.rstrip(".")


def _native(model: torch.nn.Module, inputs: InputSpec, names: tuple[str, ...]) -> Native:
    def answer(feeds: Feeds) -> Feeds:
        answers = name_answers(_ask(model, _tensors(model, fed_tensors(feeds, inputs))), names)
        arrays = {name: tensor.numpy() for name, tensor in answers.items()}
        for name, array in arrays.items():
            if array.ndim == 0 or len(array) != count_rows(feeds):
                raise ConversionError(
                    f"the module answers {list(array.shape)} as {name!r} to {count_rows(feeds)} rows: it has to answer"
                    " each"
                )
        return {name: array.reshape(-1, 1) if array.ndim == 1 else array for name, array in arrays.items()}

    return answer
