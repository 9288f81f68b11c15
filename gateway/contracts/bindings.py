"""Typed methods: a contract bound to the live versions of its model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from gateway.contracts.answers import FillAnswer, bound_outputs, compile_answer
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.rows import PackRow, compile_row, compile_settlement, plan_row
from gateway.errors import ContractError, GatewayError, InvalidRequest
from gateway.feature_views import Features, FeatureView, Lookup
from gateway.interfaces import NOTHING_LEFT_OUT, Decision
from gateway.types import PLAIN, Arm, Model, Signature, Tensors, Terms

Compiled = TypeVar("Compiled")


@dataclass(frozen=True, slots=True)
class Binding:
    """A method compiled for one arm of its model.

    Attributes:
        row: Takes a request to its row of each input tensor; raises InvalidFields.
        shapes: Shape of one row of each input tensor.
        terms: The outputs that the response is filled from.
        fill: Takes a request and a row of those outputs to the response; raises InvalidRequest.
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
        bindings: The method compiled for each arm that may answer, by the arm's name and its version.
        misfits: Why it fits no other version that is loaded, by number.
    """

    model: str
    request: Any
    bindings: Mapping[tuple[str, int], Binding]
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
        binding = self.bindings[arm.name, arm.version.number]
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
        binding = self.bindings[arm.name, arm.version.number]
        response: bytes = binding.fill(request, outputs, 0).SerializeToString()
        return response


def bind(method: AnnotatedMethod, model: Model, decision: Decision | None) -> TypedMethod:
    """Compiles a method that looks nothing up.

    Raises:
        ContractError: The method and the champion do not fit.
    """
    bindings, misfits = compile_arms(method, model, partial(compile_binding, method, model, decision))
    return TypedMethod(model.name, method.request, bindings, misfits)


def compile_arms(
    method: AnnotatedMethod, model: Model, compile_arm: Callable[[Arm], Compiled]
) -> tuple[dict[tuple[str, int], Compiled], dict[int, ContractError]]:
    """Compiles a method for every arm that may answer; versions beside the champion's that do not fit are set aside.

    Returns:
        The compiled arms by name and version, and why other versions do not fit, by number.

    Raises:
        ContractError: The method and the champion do not fit.
    """
    champion, *others = model.answering()
    bindings = {(champion.name, champion.version.number): compile_arm(champion)}
    misfits = dict[int, ContractError]()
    for arm in others:
        try:
            bindings[arm.name, arm.version.number] = compile_arm(arm)
        except Exception as error:  # noqa: BLE001 - whatever it is, the champion does without
            misfits[arm.version.number] = explain(method, error, model.name)
    return bindings, misfits


def explain(method: AnnotatedMethod, error: Exception, model: str) -> ContractError:
    """Returns why a method cannot be compiled, as an error of its model."""
    reason = error.message if isinstance(error, ContractError) else f"{method.full_name}: {error!r}"
    return ContractError(reason, model=model)


def compile_binding(method: AnnotatedMethod, model: Model, decision: Decision | None, arm: Arm) -> Binding:
    """Compiles a method for one arm.

    Raises:
        ContractError: The method and the version do not fit.
    """
    signature = arm.version.signature
    plan = plan_row(method, signature)
    return Binding(
        row=compile_row(plan, compile_settlement(plan)),
        shapes=tuple(spec.dims for spec in signature.inputs),
        terms=terms_of(method, signature),
        fill=compile_answer(method, arm, model.policy, decision),
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
