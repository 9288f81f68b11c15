"""`ModelInfer`: tensors in, tensors out, of any model; and the responses of decoupled models in a stream."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from gateway.edge.kserve.classes import classify
from gateway.edge.kserve.faults import class_fault, explain, refusal
from gateway.edge.kserve.frames import CONTENTS, Asked, Frames, Plan
from gateway.edge.kserve.inputs import find, read_inputs
from gateway.edge.kserve.outputs import read_outputs
from gateway.edge.kserve.parameters import FINAL_RESPONSE, check_parameters, parameter_of
from gateway.edge.kserve.terms import read_terms
from gateway.edge.status import message_of
from gateway.errors import GatewayError, InvalidRequest
from gateway.feature_views import Features, Lookup
from gateway.interfaces import NOTHING_LEFT_OUT
from gateway.protowire import encode_field, join_apart, parse_apart
from gateway.tensors import BYTES, leading
from gateway.types import PLAIN, Arm, Assignment, Buffer, ModelVersion, Response, Tensors

MOST_ARMS = 8_192
INFER_RESPONSE = service_pb2.ModelStreamInferResponse.INFER_RESPONSE_FIELD_NUMBER


class TensorMethod:
    """Translates `inference.ModelInferRequest` and `inference.ModelInferResponse`."""

    def __init__(self) -> None:
        self._frames = Frames()

    def parse(self, message: bytes) -> Asked:
        """Reads the request.

        Raises:
            InvalidRequest: The bytes are not such a message.
        """
        known = self._frames.find(message)
        if known is not None:
            return known
        try:
            return Asked(*parse_apart(service_pb2.ModelInferRequest, message, CONTENTS), message)
        except DecodeError as error:
            raise malformed(service_pb2.ModelInferRequest) from error

    def target(self, request: Asked) -> tuple[str, str]:
        """Names the model, and the version that the caller pins or an empty string."""
        return request.message.model_name, request.message.model_version

    def unit(self, item: Asked) -> str:  # noqa: ARG002 - the same for all
        """Returns nothing: tensors do not say whom they concern, metadata do."""
        return ""

    def value(self, item: Asked, path: str) -> str | None:
        """Returns a parameter of a request as a text; None if it has no such parameter."""
        return parameter_of(item.message.parameters, path)

    def lookups(self, request: Asked, arm: Arm) -> Sequence[Lookup | None]:  # noqa: ARG002 - the same for all
        """Names no entities: tensors say everything."""
        return ()

    def rows(
        self,
        request: Asked,
        arm: Arm,
        features: Sequence[Features] = (),  # noqa: ARG002 - there are none
    ) -> tuple[Tensors, Mapping[int, GatewayError]]:
        """Checks the request against the version's signature.

        Raises:
            InvalidRequest: A parameter is not valid, or a tensor is missing or not what the signature says.
            Unimplemented: The request wants shared memory.
        """
        version, message, plan = arm.version, request.message, request.plan(arm.version)
        if plan is not None:
            return plan.inputs(request.raw), NOTHING_LEFT_OUT
        if message.parameters:
            check_parameters(message.parameters)
        inputs, wanted = read_inputs(request, version), read_outputs(message, version)
        if inputs is None or wanted is None:
            explain(request, version)
        for position, classes in wanted:
            told = class_fault(version.signature.outputs[position]) if classes is not None else None
            if told:
                raise refusal(version, told, version.signature.outputs[position].name)
        terms = read_terms(message, (position for position, _ in wanted), version)
        inputs = inputs if terms is PLAIN else inputs._replace(terms=terms)
        order = [find(message.inputs, spec.name) for spec in version.signature.inputs]
        self._frames.keep(request, version, inputs, order)
        return inputs, NOTHING_LEFT_OUT

    def answer(
        self,
        request: Asked,
        left_out: Mapping[int, GatewayError],  # noqa: ARG002 - tensors are taken whole
        outputs: Tensors,
        arm: Arm,
        features: Sequence[Features] = (),  # noqa: ARG002 - there are none
    ) -> bytes:
        """Packs the outputs that were asked for, all of them when none was named.

        Parameters behind them say which experiment took the call, if one did.
        """
        plan = request.plan(arm.version)
        known = None if plan is None else plan.answer(outputs)
        answer = self._pack(request, outputs, arm.version, plan) if known is None else known
        return answer + told_of(arm.experiment, arm.name, arm.assignment) if arm.experiment else answer

    def _pack(self, request: Asked, outputs: Tensors, version: ModelVersion, plan: Plan | None) -> bytes:
        message = request.message
        response = service_pb2.ModelInferResponse(
            model_name=version.model, model_version=str(version.number), id=message.id
        )
        if outputs.terms.parameters:
            response.MergeFromString(outputs.terms.parameters)
        batch_dims = leading(version, outputs.rows)
        contents: list[Buffer] = []
        wanted = [*(read_outputs(message, version) or ())]
        lasting = len(outputs.shapes) == len(wanted) and all(classes is None for _, classes in wanted)
        if len(outputs.shapes) < len(wanted):  # one of several responses, which may leave some to the others
            wanted = [each for each in wanted if each[0] in outputs.terms.outputs]
        for (position, classes), row, tensor in zip(wanted, outputs.shapes, outputs.data, strict=True):
            spec = version.signature.outputs[position]
            datatype, shape, data = spec.datatype, row, tensor
            if classes is not None:
                count, data = classify(data, spec, outputs.rows, shape, classes)
                datatype, shape = BYTES, (count,)
            response.outputs.add(name=spec.name, datatype=datatype, shape=batch_dims + shape)
            contents.append(data)
        if plan is not None and lasting:
            plan.keep_head(outputs, response.SerializeToString())
        return join_apart(response, "raw_output_contents", contents)

    def respond(self, request: Asked, response: Response, arm: Arm) -> bytes:
        """Packs one response of a decoupled model as a message of a stream; the empty last one where it is wanted."""
        outputs, failure = response
        if outputs.shapes:
            return frame(self.answer(request, NOTHING_LEFT_OUT, outputs, arm))
        if failure is None and not request.message.parameters[FINAL_RESPONSE].bool_param:
            return b""
        told = service_pb2.ModelInferResponse(model_name=arm.version.model, id=request.message.id)
        told.MergeFromString(outputs.terms.parameters)
        words = message_of(failure) if failure else ""
        message = service_pb2.ModelStreamInferResponse(error_message=words, infer_response=told)
        return bytes(message.SerializeToString())


@lru_cache(MOST_ARMS)
def told_of(experiment: str, arm: str, assignment: Assignment) -> bytes:
    """Returns what a response has behind it, as parameters, where an experiment chose who answered."""
    response = service_pb2.ModelInferResponse()
    said = {"gapura_experiment": experiment, "gapura_arm": arm, "gapura_assignment": assignment.name.lower()}
    for name, text in said.items():
        response.parameters[name].string_param = text
    return bytes(response.SerializeToString(deterministic=True))


def frame(response: bytes) -> bytes:
    """Makes a message of a stream of a serialised response."""
    return b"".join(encode_field(INFER_RESPONSE, [response]))


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
