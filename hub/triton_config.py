"""Writes a model's `config.pbtxt`, readable by any Triton."""

from collections.abc import Callable
from typing import TypeVar

from erpml.catalog.v1 import catalog_pb2
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

_Tensor = TypeVar("_Tensor")
_TRITON_TYPES = {"BYTES": "TYPE_STRING"}  # every other KServe name is Triton's behind `TYPE_`


def compose_config(model: catalog_pb2.Model) -> str:
    """Returns the configuration that serves the model's versions, which share the last one's signature."""
    newest = model.versions[-1]
    config = model_config_pb2.ModelConfig(
        name=model.name,
        backend="onnxruntime",
        max_batch_size=newest.max_batch_size,
        input=[_tensor(model_config_pb2.ModelInput, tensor) for tensor in newest.signature.inputs],
        output=[_tensor(model_config_pb2.ModelOutput, tensor) for tensor in newest.signature.outputs],
    )
    config.version_policy.specific.versions.extend(version.number for version in model.versions)
    config.instance_group.add(kind=model_config_pb2.ModelInstanceGroup.KIND_CPU, count=1)
    text: str = text_format.MessageToString(config)
    return text


def _tensor(kind: Callable[..., _Tensor], tensor: catalog_pb2.Tensor) -> _Tensor:
    name = _TRITON_TYPES.get(tensor.datatype, f"TYPE_{tensor.datatype}")
    return kind(name=tensor.name, data_type=model_config_pb2.DataType.Value(name), dims=tensor.dims)
