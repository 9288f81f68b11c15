"""`ModelInfer`: tensors in, tensors out, of any model."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from gateway.edge.kserve.classes import classify
from gateway.edge.kserve.faults import class_fault, explain, refusal
from gateway.edge.kserve.inputs import Asked, read_inputs
from gateway.edge.kserve.outputs import read_outputs
from gateway.edge.kserve.parameters import check_parameters
from gateway.errors import InvalidRequest
from gateway.interfaces import NOTHING_LEFT_OUT
from gateway.protowire import join_apart, parse_apart
from gateway.tensors import BYTES, leading
from gateway.types import Arm, Buffer, Tensors


class TensorMethod:
    """Translates `inference.ModelInferRequest` and `inference.ModelInferResponse`."""

    def parse(self, message: bytes) -> Asked:
        """Reads the request.

        Raises:
            InvalidRequest: The bytes are not such a message.
        """
        try:
            return Asked(*parse_apart(service_pb2.ModelInferRequest, message, "raw_input_contents"))
        except DecodeError as error:
            raise malformed(service_pb2.ModelInferRequest) from error

    def target(self, request: Asked) -> tuple[str, str]:
        """Names the model, and the version that the caller pins or an empty string."""
        return request.message.model_name, request.message.model_version

    def rows(self, request: Asked, arm: Arm) -> tuple[Tensors, Mapping[int, InvalidRequest]]:
        """Checks the request against the version's signature.

        Raises:
            InvalidRequest: A parameter is not valid, or a tensor is missing or not what the signature says.
            Unimplemented: The request wants shared memory.
        """
        version, message = arm.version, request.message
        if message.parameters:
            check_parameters(message.parameters)
        inputs, wanted = read_inputs(request, version), read_outputs(message, version)
        if inputs is None or wanted is None:
            explain(request, version)
        for position, classes in wanted:
            told = class_fault(version.signature.outputs[position]) if classes is not None else None
            if told:
                raise refusal(version, told, version.signature.outputs[position].name)
        return inputs, NOTHING_LEFT_OUT

    def answer(self, request: Asked, left_out: Mapping[int, InvalidRequest], outputs: Tensors, arm: Arm) -> bytes:  # noqa: ARG002 - tensors are taken whole
        """Packs the outputs that were asked for; all of them when none was named."""
        version, message = arm.version, request.message
        response = service_pb2.ModelInferResponse(
            model_name=version.model, model_version=str(version.number), id=message.id
        )
        batch_dims = leading(version, outputs.rows)
        contents: list[Buffer] = []
        for position, classes in read_outputs(message, version) or ():
            spec, shape, data = version.signature.outputs[position], outputs.shapes[position], outputs.data[position]
            datatype = spec.datatype
            if classes is not None:
                count, data = classify(data, spec, outputs.rows, shape, classes)
                datatype, shape = BYTES, (count,)
            response.outputs.add(name=spec.name, datatype=datatype, shape=batch_dims + shape)
            contents.append(data)
        return join_apart(response, "raw_output_contents", contents)


def parse_request(request_class: Any, message: bytes) -> Any:
    """Reads a request of the service.

    Raises:
        InvalidRequest: The bytes are not such a message.
    """
    try:
        return request_class.FromString(message)
    except DecodeError as error:
        raise malformed(request_class) from error


def malformed(request_class: Any) -> InvalidRequest:
    """The error of bytes that are not a request."""
    return InvalidRequest("MALFORMED_MESSAGE", f"the bytes are not an {request_class.DESCRIPTOR.full_name}")
