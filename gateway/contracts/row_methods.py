"""Typed methods whose calls have many rows: candidates, texts, prices, which the model answers in one batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor

from gateway.contracts.answers import FillAnswer, compile_answer, compile_policy, effective_policy
from gateway.contracts.bindings import compile_versions, parse_message, terms_of
from gateway.contracts.columns import annotated_columns, column_names, misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.entities import Entity, entity_fields
from gateway.contracts.entity_methods import EntityMethod
from gateway.contracts.fields import FieldReader
from gateway.contracts.lookups import Asked
from gateway.contracts.row_packers import EachRow, KeptRows, RowPacker
from gateway.contracts.segments import Segments, divide
from gateway.contracts.sides import Side, compile_side
from gateway.contracts.stored_rows import StoredRow, oldest
from gateway.errors import GatewayError, InvalidFields, InvalidRequest
from gateway.feature_views import Features, FeatureView, Lookup
from gateway.interfaces import NOTHING_LEFT_OUT, Decision
from gateway.types import Arm, Model, ModelVersion, Signature, Tensors, Terms

# A request whose stored values are known -> the rows that it did not name itself; raises InvalidFields.
MakeRows = Callable[[Any], Sequence[Any]]


class AskedRows(Asked):
    """A request with many rows on its way to one arm.

    Attributes:
        rows: The messages that are rows.
    """

    __slots__ = ("rows",)

    def __init__(self, message: Any, rows: Sequence[Any]) -> None:
        super().__init__(message)
        self.rows = rows


@dataclass(frozen=True, slots=True)
class RowsBinding:
    """A method compiled for one version of its model.

    Attributes:
        field: Request field with the rows.
        most: Most rows of a call.
        shared: What the request feeds for all rows.
        own: Entities that each row looks up.
        packer: Packs what rows feed themselves.
        make_rows: Makes the rows where the request names none; None where it has to.
        segments: How the tensors are made of both.
        shapes: Shape of one row of each input tensor.
        terms: The outputs that the response is filled from.
        fill: Takes what was asked, outputs and who answered to the response; raises InvalidRequest.
    """

    field: str
    most: int
    shared: Side
    own: tuple[Entity, ...]
    packer: RowPacker
    make_rows: MakeRows | None
    segments: Segments
    shapes: tuple[tuple[int, ...], ...]
    terms: Terms
    fill: FillAnswer

    @property
    def entities(self) -> tuple[Entity, ...]:
        """Entities of the request and of a row."""
        return (*self.shared.entities, *self.own)

    def check(self, rows: int) -> None:
        """Checks the number of rows.

        Raises:
            InvalidRequest: There are none, or too many.
        """
        if not rows:
            raise InvalidFields([(self.field, f"is required; send 1 to {self.most}")])
        if rows > self.most:
            told = f"{rows} {self.field} in one call; send at most {self.most}"
            raise InvalidRequest("BATCH_TOO_LARGE", told, limit=str(self.most))


@dataclass(frozen=True, slots=True)
class RowsMethod(EntityMethod):
    """A method that scores many rows of one request."""

    bindings: Mapping[int, RowsBinding]  # type: ignore[assignment] # it has what its base asks of one
    read_rows: Callable[[Any], Sequence[Any]]

    def parse(self, message: bytes) -> AskedRows:
        """Reads the request.

        Raises:
            InvalidRequest: The bytes are not such a message.
        """
        request = parse_message(self.request, message)
        return AskedRows(request, list(self.read_rows(request)))

    def lookups(self, request: AskedRows, arm: Arm) -> Sequence[Lookup | None]:  # type: ignore[override] # what `parse` returns
        """Names the entities of the request, then those of each row, where their features are needed.

        Raises:
            InvalidRequest: There are no rows, or too many.
        """
        binding = self.bindings[arm.version.number]
        request.binding = binding
        if request.rows or binding.make_rows is None:
            binding.check(len(request.rows))
        shared = binding.shared.seek(request) or (None,) * len(binding.shared.entities)
        wanted = (*shared, *binding.packer.lookups(request.rows))
        return wanted if any(wanted) else ()

    def rows(
        self,
        request: AskedRows,  # type: ignore[override] # what `parse` returns
        arm: Arm,  # noqa: ARG002 - that of the lookups
        features: Sequence[Features] = (),
    ) -> tuple[Tensors, Mapping[int, GatewayError]]:
        """Turns the request into its rows.

        Raises:
            InvalidRequest: A field is missing, not finite or out of range; or there are no rows, or too many.
            GatewayError: Features are refused.
        """
        binding: RowsBinding = request.binding
        of_request = len(binding.shared.entities)
        shared = binding.shared.pack(request.message, features[:of_request])
        if not request.rows and binding.make_rows is not None:
            request.rows = binding.make_rows(request.message)
            binding.check(len(request.rows))
        own = binding.packer.pack(request.rows, features[of_request:])
        note(request, [shared, *own])
        data = binding.segments.join(shared.row, [each.row for each in own])
        return Tensors(len(own), binding.shapes, data, binding.terms), NOTHING_LEFT_OUT


def note(asked: Asked, parts: Sequence[StoredRow]) -> None:
    """Notes how good the stored features are that a call is made of."""
    asked.status = max(part.status for part in parts)
    asked.oldest_ms = oldest(0, *(part.oldest_ms for part in parts))


def bind_rows(
    method: AnnotatedMethod, model: Model, decision: Decision | None, views: Mapping[str, FeatureView]
) -> RowsMethod:
    """Compiles a method whose calls have many rows.

    Raises:
        ContractError: The method, the champion and the views do not fit.
    """
    bindings, misfits = compile_versions(method, model, partial(compile_binding, method, model, decision, views))
    fields, read = FieldReader.of(method), attrgetter(method.serving.rows)
    return RowsMethod(model.name, method.request, method.response, fields, bindings, misfits, read)


def row_message(method: AnnotatedMethod) -> Descriptor:
    """Returns the message that is a row.

    Raises:
        ContractError: The annotation names no repeated field of messages.
    """
    field = method.request.DESCRIPTOR.fields_by_name.get(method.serving.rows)
    if field is None or not field.is_repeated or field.message_type is None:
        raise misfit(method, f"rows '{method.serving.rows}' is no repeated field of messages of the request")
    message: Descriptor = field.message_type
    return message


def compile_binding(
    method: AnnotatedMethod,
    model: Model,
    decision: Decision | None,
    views: Mapping[str, FeatureView],
    version: ModelVersion,
) -> RowsBinding:
    """Compiles a method for one version.

    Raises:
        ContractError: The method, the version and the views do not fit.
    """
    if not version.max_batch_size:
        raise misfit(method, f"version {version.number} of model '{model.name}' takes no batches")
    row = row_message(method)
    of_row = replace(method, request=message_factory.GetMessageClass(row))
    segments = divide(method, version.signature, own_columns(of_row, version.signature, views))
    shared = compile_side(method, segments.signature(own=False), views)
    own = compile_side(of_row, segments.signature(own=True), views)
    make_rows = None
    if decision is not None and decision.rows is not None:
        make_rows = compile_policy(method, effective_policy(method, model.policy), decision.rows)
        if own.entities:
            raise misfit(method, "rows that a decision makes cannot have entities: these are looked up before")
    return RowsBinding(
        field=method.serving.rows,
        most=version.max_batch_size,
        shared=shared,
        own=own.entities,
        packer=(KeptRows if own.is_stored else EachRow)(own, method.serving.rows),
        make_rows=make_rows,
        segments=segments,
        shapes=tuple(spec.dims for spec in version.signature.inputs),
        terms=terms_of(method, version.signature),
        fill=compile_answer(method, version, model.policy, decision, stored=True, row=row),
    )


def own_columns(of_row: AnnotatedMethod, signature: Signature, views: Mapping[str, FeatureView]) -> set[str]:
    """Returns the columns of the model that a row feeds itself."""
    fed = {column.name for column in annotated_columns(of_row)}
    for _, entity in entity_fields(of_row):
        view = views.get(entity.view)
        fed |= {entity.prefix + column.name for column in view.schema.columns} if view is not None else set()
    return fed & {name for spec in signature.inputs for name in column_names(spec)}
