"""Typed methods that look up stored features: what a request does not say itself comes from its entities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.contracts.answers import FillAnswer, compile_answer
from gateway.contracts.bindings import TypedMethod, compile_versions, parse_message, terms_of
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.entities import Entity
from gateway.contracts.fields import FieldReader
from gateway.contracts.lookups import Asked, Seek
from gateway.contracts.sides import compile_side
from gateway.contracts.stored_rows import PackStored
from gateway.errors import GatewayError
from gateway.feature_views import Features, FeatureView, Lookup
from gateway.interfaces import NOTHING_LEFT_OUT, Decision
from gateway.types import Arm, Model, ModelVersion, Tensors, Terms


@dataclass(frozen=True, slots=True)
class EntityBinding:
    """A method compiled for one version of its model.

    Attributes:
        entities: The entities of a request.
        seek: Takes a request to what it looks up.
        stored: Takes a request and stored features to its row.
        settle: The same, for whatever is rare.
        shapes: Shape of one row of each input tensor.
        terms: The outputs that the response is filled from.
        fill: Takes what was asked, a row of those outputs and who answered to the response; raises InvalidRequest.
    """

    entities: tuple[Entity, ...]
    seek: Seek
    stored: PackStored
    settle: PackStored
    shapes: tuple[tuple[int, ...], ...]
    terms: Terms
    fill: FillAnswer

    def pack(self, asked: Asked, features: Sequence[Features]) -> tuple[bytes, ...]:
        """Packs the row of a request.

        Raises:
            InvalidFields: Fields are missing, not finite or out of range.
            GatewayError: What refuses the features.
        """
        pack = self.stored if features else self.settle
        asked.row, asked.status, asked.oldest_ms = pack(asked.message, features)
        return asked.row


@dataclass(frozen=True, slots=True)
class EntityMethod(TypedMethod):
    """A method that scores one item, and looks up what its request leaves to stored features."""

    bindings: Mapping[int, EntityBinding]  # type: ignore[assignment] # it has what a batch needs of one

    def parse(self, message: bytes) -> Asked:
        """Reads the request.

        Raises:
            InvalidRequest: The bytes are not such a message.
        """
        return Asked(parse_message(self.request, message))

    def unit(self, item: Asked) -> str:
        """Returns the unit of a request; empty if it has none."""
        return self.fields.unit(item.message)

    def value(self, item: Asked, path: str) -> str | None:
        """Returns a field of a request as a text; None if it has no such field."""
        return self.fields.value(item.message, path)

    def views(self) -> set[FeatureView]:
        """Returns the feature views that its requests look up."""
        return {entity.view for binding in self.bindings.values() for entity in binding.entities}

    def lookups(self, request: Asked, arm: Arm) -> Sequence[Lookup | None]:
        """Names the entity of each of the request's ids, where its features are needed."""
        binding = request.binding = self.bindings[arm.version.number]
        return binding.seek(request)

    def rows(
        self,
        request: Asked,
        arm: Arm,  # noqa: ARG002 - that of the lookups
        features: Sequence[Features] = (),
    ) -> tuple[Tensors, Mapping[int, GatewayError]]:
        """Turns the request into one row.

        Raises:
            InvalidFields: A field is missing, not finite or out of range.
            GatewayError: The features are refused.
        """
        binding: EntityBinding = request.binding
        row = request.row
        if row is None:
            row = binding.pack(request, features)
        return Tensors(1, binding.shapes, row, binding.terms), NOTHING_LEFT_OUT

    def answer(
        self,
        request: Asked,
        left_out: Mapping[int, GatewayError],  # noqa: ARG002 - one item is never left out
        outputs: Tensors,
        arm: Arm,
        features: Sequence[Features] = (),  # noqa: ARG002 - it is known what of them was used
    ) -> bytes:
        """Turns the row of outputs into a serialised response.

        Raises:
            InvalidRequest: The decision refuses the request.
        """
        response: bytes = request.binding.fill(request, outputs, 0, arm).SerializeToString()
        return response


def bind_entities(
    method: AnnotatedMethod, model: Model, decision: Decision | None, views: Mapping[str, FeatureView]
) -> EntityMethod:
    """Compiles a method that looks up stored features.

    Raises:
        ContractError: The method, the champion and the views do not fit.
    """
    bindings, misfits = compile_versions(method, model, partial(compile_binding, method, model, decision, views))
    fields = FieldReader.of(method)
    return EntityMethod(model.name, method.request, method.response, fields, bindings, misfits)


def compile_binding(
    method: AnnotatedMethod,
    model: Model,
    decision: Decision | None,
    views: Mapping[str, FeatureView],
    version: ModelVersion,
) -> EntityBinding:
    """Compiles a method for one version.

    Raises:
        ContractError: The method, the version and the views do not fit.
    """
    signature = version.signature
    side = compile_side(method, signature, views)
    return EntityBinding(
        entities=side.entities,
        seek=side.seek,
        stored=side.stored,
        settle=side.settle,
        shapes=tuple(spec.dims for spec in signature.inputs),
        terms=terms_of(method, signature),
        fill=compile_answer(method, version, model.policy, decision, stored=True),
    )
