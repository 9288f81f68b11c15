"""Packs batches as `inference.ModelInferRequest` and reads `inference.ModelInferResponse`; tensors stay bytes."""

from functools import lru_cache
from math import prod
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from gateway.errors import ModelFailed
from gateway.layouts import Layouts
from gateway.protowire import cut_field, encode_field, parse_apart
from gateway.tensors import BYTES, ELEMENT_BYTES, fits, leading, wanted
from gateway.types import PLAIN, Buffer, ModelVersion, Tensors, TensorSpec, Terms

RAW_OUTPUT_CONTENTS = service_pb2.ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER
RAW_INPUT_CONTENTS = service_pb2.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER

# Who answers, how many rows, and the positions of the outputs that are wanted.
Expected = tuple[ModelVersion, int, tuple[int, ...]]


def encode_request(version: ModelVersion, inputs: Tensors) -> bytes:
    """Returns a serialised request: the one copy that is made of the inputs."""
    head = request_head(version, inputs.rows, inputs.shapes, inputs.terms.outputs)
    return b"".join((head, inputs.terms.parameters, *encode_field(RAW_INPUT_CONTENTS, inputs.data)))


@lru_cache(maxsize=1024)
def request_head(
    version: ModelVersion, rows: int, shapes: tuple[tuple[int, ...], ...], outputs: tuple[int, ...]
) -> bytes:
    """Returns everything of a request but its parameters and its data."""
    request = service_pb2.ModelInferRequest(model_name=version.model, model_version=str(version.number))
    for spec, shape in zip(version.signature.inputs, shapes, strict=True):
        request.inputs.add(name=spec.name, datatype=spec.datatype, shape=leading(version, rows) + shape)
    for spec in wanted(version, Terms(outputs)):
        request.outputs.add(name=spec.name)
    return bytes(request.SerializeToString())


class ResponseReader:
    """Reads serialised responses; of those that differ in their contents alone, the contents alone."""

    def __init__(self) -> None:
        self._layouts = Layouts[dict[Expected, Tensors]](RAW_OUTPUT_CONTENTS)

    def read(self, version: ModelVersion, inputs: Tensors, message: bytes) -> Tensors:
        """Returns the outputs that a batch wants, in the signature's order, and the parameters of the response.

        Raises:
            ModelFailed: They are not what the signature says.
        """
        expected = version, inputs.rows, inputs.terms.outputs
        layout = self._layouts.find(message)
        known = layout.known.get(expected) if layout else None
        if layout and known:
            return known._replace(data=tuple(layout.values(message)))
        outputs, specs = decode_response(version, inputs, message), wanted(version, inputs.terms)
        # Parameters are taken to be others every time; where texts end has to be looked up.
        lasting = not outputs.terms.parameters and not any(spec.datatype == BYTES for spec in specs)
        if lasting and output_names(message) == [spec.name for spec in specs]:
            layout = layout or self._layouts.add(message, {})
            if layout:
                layout.known[expected] = outputs._replace(data=())
        return outputs


def decode_response(version: ModelVersion, inputs: Tensors, message: bytes) -> Tensors:
    """Reads the outputs that a batch wants, in the signature's order, and the parameters of the response.

    Raises:
        ModelFailed: They are not what the signature says.
    """
    rows, specs = inputs.rows, wanted(version, inputs.terms)
    try:
        response, data = parse_apart(service_pb2.ModelInferResponse, message, "raw_output_contents")
        outputs = {output.name: (output, raw) for output, raw in zip(response.outputs, data, strict=True)}
        tensors = [read_output(*outputs[spec.name], spec, leading(version, rows)) for spec in specs]
    except (DecodeError, KeyError, ValueError) as error:
        problem = f"answered {rows} rows with something else than its signature says: {error}"
        raise ModelFailed(version.model, version.number, problem) from error
    terms = read_terms(inputs.terms.outputs, response)
    return Tensors(rows, tuple(shape for shape, _ in tensors), tuple(raw for _, raw in tensors), terms)


def output_names(message: bytes) -> list[str]:
    """Returns the names of the outputs of a response, in its order."""
    head, _ = cut_field(message, RAW_OUTPUT_CONTENTS)
    return [output.name for output in service_pb2.ModelInferResponse.FromString(head).outputs]


def read_terms(outputs: tuple[int, ...], response: Any) -> Terms:
    """Returns the terms of outputs: which they are, and the parameters that the model has added to them."""
    if not response.parameters:
        return Terms(outputs) if outputs else PLAIN
    told = service_pb2.ModelInferResponse(parameters=response.parameters)
    return Terms(outputs, told.SerializeToString(deterministic=True))


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


def decode_streamed(version: ModelVersion, response: Any) -> Tensors:
    """Reads one of several responses of a decoupled model: any of its outputs, of any number of rows.

    Args:
        version: Who sends it.
        response: `inference.ModelInferResponse`.

    Raises:
        ModelFailed: It is not what the signature says.
    """
    shape = response.outputs[0].shape if response.outputs else ()
    rows = (shape[0] if shape else 0) if version.max_batch_size else 1
    specs = {spec.name: position for position, spec in enumerate(version.signature.outputs)}
    try:
        answered = zip(response.outputs, response.raw_output_contents, strict=True)
        given = {specs[output.name]: (output, raw) for output, raw in answered}
        positions = tuple(sorted(given))
        tensors = [
            read_output(*given[position], version.signature.outputs[position], leading(version, rows))
            for position in positions
        ]
    except (KeyError, ValueError) as error:
        problem = f"sent a response with something else than its signature says: {error}"
        raise ModelFailed(version.model, version.number, problem) from error
    terms = read_terms(positions, response)
    return Tensors(rows, tuple(shape for shape, _ in tensors), tuple(raw for _, raw in tensors), terms)
