"""Calls to a node, as numpy arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2
from tritonclient.utils import deserialize_bytes_tensor, np_to_triton_dtype, serialize_byte_tensor, triton_to_np_dtype

Arrays = dict[str, NDArray[Any]]


def infer(stub: Any, model: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] = ()) -> Arrays:
    """Makes one call; returns what it answers, all outputs by default."""
    request = service_pb2.ModelInferRequest(model_name=model)
    for name, tensor in inputs.items():
        request.inputs.add(name=name, datatype=np_to_triton_dtype(tensor.dtype), shape=tensor.shape)
        request.raw_input_contents.append(pack(tensor))
    for name in outputs:
        request.outputs.add(name=name)
    response = stub.ModelInfer(request, timeout=20)
    return {
        output.name: unpack(content, output.datatype).reshape(output.shape)
        for output, content in zip(response.outputs, response.raw_output_contents, strict=True)
    }


def pack(tensor: NDArray[Any]) -> bytes:
    """Packs a tensor row-major."""
    if tensor.dtype == np.object_:
        content: bytes = serialize_byte_tensor(tensor).item()
        return content
    return tensor.tobytes()


def unpack(content: bytes, datatype: str) -> NDArray[Any]:
    """Reads a tensor; strings are bytes."""
    if datatype == "BYTES":
        texts: NDArray[Any] = deserialize_bytes_tensor(content)
        return texts
    return np.frombuffer(content, triton_to_np_dtype(datatype))
