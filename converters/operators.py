"""Refuses graphs with operators that no runtime knows: converters write such files without a word."""

from collections.abc import Mapping

import onnx
from onnx import numpy_helper

from converters.errors import ConversionError
from converters.rewiring import list_nodes

_BY_CHANCE = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
_DEFINED = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training")


def list_operators(model: onnx.ModelProto) -> dict[str, int]:
    """Returns how often each operator stands in the graph, those in branches and loops included."""
    counts: dict[str, int] = {}
    for node in list_nodes(model.graph):
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    return dict(sorted(counts.items()))


def require_known(model: onnx.ModelProto) -> None:
    """Refuses operators that the ONNX standard does not define, and those that roll dice.

    Raises:
        ConversionError: There are such; the message names them.
    """
    versions = {opset.domain: opset.version for opset in model.opset_import}
    local = {(function.domain, function.name) for function in model.functions}
    unknown = sorted(
        {
            node.op_type
            for node in list_nodes(model.graph)
            if node.domain in _DEFINED
            and (node.domain, node.op_type) not in local
            and not onnx.defs.has(node.op_type, versions.get(node.domain, 1), node.domain)
        }
    )
    within = [node for function in model.functions for node in function.node]
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    chance = sorted(
        {
            node.op_type
            for node in [*list_nodes(model.graph), *within]
            if node.op_type in _BY_CHANCE or _drops_in_training(node, constants)
        }
    )
    if chance:
        raise ConversionError(f"the graph answers by chance ({', '.join(chance)}): export the model for inference")
    if unknown:
        raise ConversionError(
            f"the graph has operators that ONNX does not define: {', '.join(unknown)}; do what they do before the model"
        )


def _drops_in_training(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether a dropout is switched to training by a constant, its third input."""
    switch = constants.get(node.input[2]) if node.op_type == "Dropout" and len(node.input) > 2 else None  # noqa: PLR2004
    return switch is not None and bool(numpy_helper.to_array(switch))
