"""`ModelInfer`: tensors in, tensors out, of any model."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from gateway.edge.kserve.inputs import read_inputs, refuse
from gateway.errors import InvalidRequest
from gateway.interfaces import NOTHING_LEFT_OUT
from gateway.types import Arm, ModelVersion, Tensors

# Parameters that change the answer. Others, such as `priority`, are hints.
NOT_SERVED = ("shared_memory", "classification", "sequence_")


class TensorMethod:
    """Translates `inference.ModelInferRequest` and `inference.ModelInferResponse`."""

    def parse(self, message: bytes) -> Any:
        """Reads the request.

        Raises:
            InvalidRequest: The bytes are not such a message.
        """
        return parse_request(service_pb2.ModelInferRequest, message)

    def target(self, request: Any) -> tuple[str, str]:
        """Names the model, and the version that the caller pins or an empty string."""
        return request.model_name, request.model_version

    def rows(self, request: Any, arm: Arm) -> tuple[Tensors, Mapping[int, InvalidRequest]]:
        """Checks the tensors against the version's signature.

        Raises:
            InvalidRequest: A tensor is missing, or has another name, datatype, shape or size.
        """
        check_parameters(request, arm.version)
        return read_inputs(request, arm.version), NOTHING_LEFT_OUT

    def answer(self, request: Any, left_out: Mapping[int, InvalidRequest], outputs: Tensors, arm: Arm) -> bytes:  # noqa: ARG002 - tensors are taken whole
        """Packs the outputs that were asked for; all of them when none was named.

        Raises:
            InvalidRequest: An output that was asked for does not exist.
        """
        version = arm.version
        response = service_pb2.ModelInferResponse(
            model_name=version.model, model_version=str(version.number), id=request.id
        )
        for position in wanted_outputs(request, version):
            spec, shape = version.signature.outputs[position], outputs.shapes[position]
            leading = (outputs.rows,) if version.max_batch_size else ()
            response.outputs.add(name=spec.name, datatype=spec.datatype, shape=leading + shape)
            response.raw_output_contents.append(outputs.data[position])
        return bytes(response.SerializeToString())


def parse_request(request_class: Any, message: bytes) -> Any:
    """Reads a request of the service.

    Raises:
        InvalidRequest: The bytes are not such a message.
    """
    try:
        return request_class.FromString(message)
    except DecodeError as error:
        name = request_class.DESCRIPTOR.full_name
        raise InvalidRequest("MALFORMED_MESSAGE", f"the bytes are not an {name}") from error


def check_parameters(request: Any, version: ModelVersion) -> None:
    """Refuses what would otherwise be answered as if it had been done.

    Raises:
        InvalidRequest: The request asks for shared memory, classification or a sequence.
    """
    named = [
        ("", request.parameters),
        *((tensor.name, tensor.parameters) for tensor in (*request.inputs, *request.outputs)),
    ]
    for name, parameters in named:
        for parameter in parameters:
            if parameter.startswith(NOT_SERVED):
                told = f"the parameter '{parameter}' is not served for model '{version.model}'; leave it out"
                refuse(request, version, name, told, with_id=True)


def wanted_outputs(request: Any, version: ModelVersion) -> list[int]:
    """Returns the positions of the outputs that the caller wants.

    Raises:
        InvalidRequest: One does not exist.
    """
    names = [spec.name for spec in version.signature.outputs]
    wanted = [output.name for output in request.outputs] or names
    for name in wanted:
        if name not in names:
            refuse(request, version, name, f"unexpected inference output '{name}' for model '{version.model}'")
    return [names.index(name) for name in wanted]
