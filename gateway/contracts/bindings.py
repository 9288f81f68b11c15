"""Typed methods: a contract bound to the live versions of its model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from gateway.contracts.answers import FillAnswer, bound_outputs, compile_answer
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.fields import FieldReader
from gateway.contracts.rows import PackRow, compile_row, compile_settlement, plan_row
from gateway.errors import ContractError, GatewayError, InvalidRequest
from gateway.feature_views import Features, FeatureView, Lookup
from gateway.interfaces import NOTHING_LEFT_OUT, Decision
from gateway.types import PLAIN, Arm, Model, ModelVersion, Signature, Tensors, Terms

Compiled = TypeVar("Compiled")


@dataclass(frozen=True, slots=True)
class Binding:
    """A method compiled for one version of its model.

    Attributes:
        row: Takes a request to its row of each input tensor; raises InvalidFields.
        shapes: Shape of one row of each input tensor.
        terms: The outputs that the response is filled from.
        fill: Takes a request, a row of those outputs and who answered to the response; raises InvalidRequest.
    """

    row: PackRow
    shapes: tuple[tuple[int, ...], ...]
    terms: Terms
    fill: FillAnswer


@dataclass(frozen=True, slots=True)
class TypedMethod:
    """A method that scores one item.

    Attributes:
        model: Registered name of the model that answers.
        request: Message class of the request.
        response: Message class of the response.
        fields: Reads what an experiment asks of a request.
        bindings: The method compiled for each version that may answer, by number.
        misfits: Why it fits no other version that is loaded, by number.
    """

    model: str
    request: Any
    response: Any
    fields: FieldReader
    bindings: Mapping[int, Binding]
    misfits: Mapping[int, ContractError]

    def parse(self, message: bytes) -> Any:
        """Reads the request.

        Raises:
            InvalidRequest: The bytes are not such a message.
        """
        return parse_message(self.request, message)

    def target(self, request: Any) -> tuple[str, str]:  # noqa: ARG002 - every request has the same model
        """Names the model; the version is the router's choice."""
        return self.model, ""

    def unit(self, item: Any) -> str:
        """Returns the unit of a request; empty if it has none."""
        return self.fields.unit(item)

    def value(self, item: Any, path: str) -> str | None:
        """Returns a field of a request as a text; None if it has no such field."""
        return self.fields.value(item, path)

    def views(self) -> set[FeatureView]:
        """Returns the feature views that its requests look up."""
        return set()

    def lookups(self, request: Any, arm: Arm) -> Sequence[Lookup | None]:  # noqa: ARG002 - the same for all
        """Names no entities: the request says everything."""
        return ()

    def rows(
        self,
        request: Any,
        arm: Arm,
        features: Sequence[Features] = (),  # noqa: ARG002 - there are none
    ) -> tuple[Tensors, Mapping[int, GatewayError]]:
        """Turns the request into one row.

        Raises:
            InvalidFields: A field is missing, not finite or out of range.
        """
        binding = self.bindings[arm.version.number]
        return Tensors(1, binding.shapes, binding.row(request), binding.terms), NOTHING_LEFT_OUT

    def answer(
        self,
        request: Any,
        left_out: Mapping[int, GatewayError],  # noqa: ARG002 - one item is never left out
        outputs: Tensors,
        arm: Arm,
        features: Sequence[Features] = (),  # noqa: ARG002 - there are none
    ) -> bytes:
        """Turns the row of outputs into a serialised response.

        Raises:
            InvalidRequest: The decision refuses the request.
        """
        binding = self.bindings[arm.version.number]
        response: bytes = binding.fill(request, outputs, 0, arm).SerializeToString()
        return response


def bind(method: AnnotatedMethod, model: Model, decision: Decision | None) -> TypedMethod:
    """Compiles a method that looks nothing up.

    Raises:
        ContractError: The method and the champion do not fit.
    """
    bindings, misfits = compile_versions(method, model, partial(compile_binding, method, model, decision))
    return TypedMethod(model.name, method.request, method.response, FieldReader.of(method), bindings, misfits)


def compile_versions(
    method: AnnotatedMethod, model: Model, compile_version: Callable[[ModelVersion], Compiled]
) -> tuple[dict[int, Compiled], dict[int, ContractError]]:
    """Compiles a method for every version that may answer; those beside the champion that do not fit are set aside.

    Returns:
        The compiled versions, and why others do not fit, by number.

    Raises:
        ContractError: The method and the champion do not fit.
    """
    champion = model.champion.version
    bindings = {champion.number: compile_version(champion)}
    misfits = dict[int, ContractError]()
    for version in model.versions.values():
        if version is not champion:
            try:
                bindings[version.number] = compile_version(version)
            except Exception as error:  # noqa: BLE001 - whatever it is, the champion does without
                misfits[version.number] = explain(method, error, model.name)
    return bindings, misfits


def explain(method: AnnotatedMethod, error: Exception, model: str) -> ContractError:
    """Returns why a method cannot be compiled, as an error of its model."""
    reason = error.message if isinstance(error, ContractError) else f"{method.full_name}: {error!r}"
    return ContractError(reason, model=model)


def compile_binding(method: AnnotatedMethod, model: Model, decision: Decision | None, version: ModelVersion) -> Binding:
    """Compiles a method for one version.

    Raises:
        ContractError: The method and the version do not fit.
    """
    signature = version.signature
    plan = plan_row(method, signature)
    return Binding(
        row=compile_row(plan, compile_settlement(plan)),
        shapes=tuple(spec.dims for spec in signature.inputs),
        terms=terms_of(method, signature),
        fill=compile_answer(method, version, model.policy, decision),
    )


def terms_of(method: AnnotatedMethod, signature: Signature) -> Terms:
    """Returns the terms of a method's calls: a model is asked only for the outputs that are read."""
    outputs = bound_outputs(method, signature)
    return Terms(outputs) if len(outputs) < len(signature.outputs) else PLAIN


def parse_message(message_class: Any, message: bytes) -> Any:
    """Reads a message.

    Raises:
        InvalidRequest: The bytes are not such a message.
    """
    try:
        return message_class.FromString(message)
    except DecodeError as error:
        name = message_class.DESCRIPTOR.full_name
        raise InvalidRequest(
            "MALFORMED_MESSAGE", f"the bytes are not a {name}; generate the stubs from the same contracts"
        ) from error
