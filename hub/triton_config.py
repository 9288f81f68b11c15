"""Writes a model's `config.pbtxt` and label files, readable by any Triton and any of its ONNX Runtime backends."""

from collections.abc import Callable
from typing import TypeVar

from erpml.catalog.v1 import catalog_pb2
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from hub.placement import placement_of

CONFIG = "config.pbtxt"
LABELS = "_labels.txt"

_Tensor = TypeVar("_Tensor")
_TRITON_TYPES = {"BYTES": "TYPE_STRING"}  # every other KServe name is Triton's behind `TYPE_`
_KINDS = {
    catalog_pb2.PLACEMENT_CPU: model_config_pb2.ModelInstanceGroup.KIND_CPU,
    catalog_pb2.PLACEMENT_GPU: model_config_pb2.ModelInstanceGroup.KIND_GPU,
}


def compose_files(model: catalog_pb2.Model) -> dict[str, bytes]:
    """Returns what lies beside the model's versions, by name; a file comes after those that it names."""
    labelled = [output for output in model.versions[-1].signature.outputs if output.columns]
    labels = {_labels_of(output): "".join(f"{label}\n" for label in output.columns).encode() for output in labelled}
    return labels | {CONFIG: compose_config(model).encode()}


def compose_config(model: catalog_pb2.Model) -> str:
    """Returns the configuration that serves the model's versions, which share the last one's signature."""
    newest = model.versions[-1]
    config = model_config_pb2.ModelConfig(
        name=model.name,
        backend="onnxruntime",
        max_batch_size=newest.max_batch_size,
        input=[_tensor(model_config_pb2.ModelInput, tensor) for tensor in newest.signature.inputs],
        output=[_output(tensor) for tensor in newest.signature.outputs],
    )
    config.version_policy.specific.versions.extend(version.number for version in model.versions)
    config.instance_group.add(kind=_KINDS[placement_of(model)], count=1)
    text: str = text_format.MessageToString(config)
    return text


def _output(tensor: catalog_pb2.Tensor) -> model_config_pb2.ModelOutput:
    output = _tensor(model_config_pb2.ModelOutput, tensor)
    if tensor.columns:
        output.label_filename = _labels_of(tensor)
    return output


def _tensor(kind: Callable[..., _Tensor], tensor: catalog_pb2.Tensor) -> _Tensor:
    name = _TRITON_TYPES.get(tensor.datatype, f"TYPE_{tensor.datatype}")
    return kind(name=tensor.name, data_type=model_config_pb2.DataType.Value(name), dims=tensor.dims)


def _labels_of(tensor: catalog_pb2.Tensor) -> str:
    return f"{tensor.name}{LABELS}"
