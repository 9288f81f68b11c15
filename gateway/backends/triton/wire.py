"""Packs batches as `inference.ModelInferRequest` and reads `inference.ModelInferResponse`; tensors stay bytes."""

from functools import lru_cache
from math import prod
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from gateway.errors import ModelFailed
from gateway.protowire import encode_field, parse_apart
from gateway.tensors import BYTES, ELEMENT_BYTES, fits, leading
from gateway.types import Buffer, ModelVersion, Tensors, TensorSpec

RAW_INPUT_CONTENTS = service_pb2.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER


def encode_request(version: ModelVersion, inputs: Tensors) -> bytes:
    """Returns a serialised request: the one copy that is made of the inputs."""
    head = request_head(version, inputs.rows, inputs.shapes)
    return b"".join((head, *encode_field(RAW_INPUT_CONTENTS, inputs.data)))


@lru_cache(maxsize=1024)
def request_head(version: ModelVersion, rows: int, shapes: tuple[tuple[int, ...], ...]) -> bytes:
    """Returns everything of a request but its data."""
    request = service_pb2.ModelInferRequest(model_name=version.model, model_version=str(version.number))
    for spec, shape in zip(version.signature.inputs, shapes, strict=True):
        request.inputs.add(name=spec.name, datatype=spec.datatype, shape=leading(version, rows) + shape)
    for spec in version.signature.outputs:
        request.outputs.add(name=spec.name)
    return bytes(request.SerializeToString())


def decode_response(version: ModelVersion, rows: int, message: bytes) -> Tensors:
    """Reads the outputs of a batch, in the signature's order.

    Raises:
        ModelFailed: They are not what the signature says.
    """
    try:
        response, data = parse_apart(service_pb2.ModelInferResponse, message, "raw_output_contents")
        outputs = {output.name: (output, raw) for output, raw in zip(response.outputs, data, strict=True)}
        tensors = [read_output(*outputs[spec.name], spec, leading(version, rows)) for spec in version.signature.outputs]
    except (DecodeError, KeyError, ValueError) as error:
        problem = f"answered {rows} rows with something else than its signature says: {error}"
        raise ModelFailed(version.model, version.number, problem) from error
    return Tensors(rows, tuple(shape for shape, _ in tensors), tuple(raw for _, raw in tensors))


def read_output(
    output: Any, raw: Buffer, spec: TensorSpec, batch_dims: tuple[int, ...]
) -> tuple[tuple[int, ...], Buffer]:
    """Returns the shape of one row, and the data.

    Raises:
        ValueError: Datatype, shape or size are not the signature's.
    """
    shape = tuple(output.shape)
    row_shape = shape[len(batch_dims) :]
    if output.datatype != spec.datatype or shape[: len(batch_dims)] != batch_dims or not fits(row_shape, spec.dims):
        raise ValueError(f"output '{spec.name}' is {output.datatype} {list(shape)}")
    if spec.datatype != BYTES and len(raw) != prod(shape) * ELEMENT_BYTES[spec.datatype]:
        raise ValueError(f"output '{spec.name}' of shape {list(shape)} has {len(raw)} bytes")
    return row_shape, raw
