"""Reads which request fields are ids of entities, and what of their stored features a model can use.

A column of a view feeds the model's column of its name, behind the prefix of the entity. Where a value may be missing:

- A null is replaced by the column's default; without one, it is NaN in a floating-point tensor. Another tensor has no
  missing value: a column that feeds it needs a default, whatever the view degrades to, since any row may hold a null.
- NaN counts as a null: a caller may not send it either.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from erpml.annotations.v1 import annotations_pb2
from gapura_features.keys import MOST_ENTITY_BYTES
from gapura_features.schema import FLOATS as FLOAT_FEATURES
from gapura_features.schema import FeatureType
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.cells import Cell, describe_range
from gateway.contracts.columns import FLOAT_FIELDS, FLOATS, LIMITS, NO_FIELD, Stored, column_names, misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.rows import RowPlan
from gateway.feature_views import FeatureView
from gateway.tensors import BYTES
from gateway.types import Signature, TensorSpec

TEXT_FEATURES = frozenset({FeatureType.STRING, FeatureType.BYTES})
KEYWORD = "field '{}' has the name of a keyword of Python: rename it"
RANGES = {FeatureType.BOOL: "BOOL", FeatureType.INT32: "INT32", FeatureType.INT64: "INT64"}


@dataclass(frozen=True, slots=True)
class Entity:
    """A request field with the id of an entity, and what its features feed.

    Attributes:
        field: Name of the field.
        join: Further fields that make the id with it.
        view: The view that has the features.
        fields: Request fields that feed the same columns.
        alone: Whether they feed a column that no request field feeds: they are always wanted then.
        optional: Whether a request may name no entity: the defaults of the view stand for its features then.
    """

    field: str
    join: tuple[str, ...]
    view: FeatureView
    fields: tuple[str, ...]
    alone: bool
    optional: bool

    @property
    def source(self) -> str:
        """The expression of the id of a `request`, for sources that know `join_id`."""
        parts = ", ".join(f"request.{field}" for field in (self.field, *self.join))
        return f"join_id({parts})" if self.join else parts

    def id(self, request: Any) -> str:
        """Returns the id of a request; empty if it has none."""
        return join_id(*(getattr(request, field) for field in (self.field, *self.join)))

    def is_wanted(self, request: Any) -> bool:
        """Says whether the request leaves a value to the stored features."""
        return self.alone or not all(map(request.HasField, self.fields))

    def is_left_out(self, request: Any) -> bool:
        """Says whether a request names no entity, and need not."""
        return self.optional and not any(getattr(request, field) for field in (self.field, *self.join))

    def need(self, request: Any) -> str:
        """Returns what the id of a request needs whose features are wanted and were not looked up."""
        length = f"at most {MOST_ENTITY_BYTES} bytes in UTF-8"
        if not self.join and getattr(request, self.field):
            return f"must have {length}"
        missing = [field for field in self.join if not getattr(request, field)]
        if self.join and getattr(request, self.field):
            together = f"must have {length} with {', '.join(self.join)}; only the last of them may contain '/'"
            return f"says nothing without {', '.join(missing)}" if missing else together
        return "is required" if self.alone else f"is required, or all of {', '.join(self.fields)}"


def join_id(*parts: str) -> str:
    """Returns the id that parts make, divided by `/`, which only the last may contain; empty if there is none."""
    if len(parts) == 1:
        return parts[0]
    return "/".join(parts) if all(parts) and not any("/" in part for part in parts[:-1]) else ""


def entity_fields(method: AnnotatedMethod) -> list[tuple[str, annotations_pb2.Entity]]:
    """Returns the fields that are ids of entities, with their annotations.

    Raises:
        ContractError: One cannot be an id.
    """
    fields: list[FieldDescriptor] = method.request.DESCRIPTOR.fields
    found = [field for field in fields if field.GetOptions().HasExtension(annotations_pb2.entity)]
    for field in found:
        if field.is_repeated or field.type != FieldDescriptor.TYPE_STRING:
            raise misfit(method, f"field '{field.name}' must be one string to be the id of an entity")
        if iskeyword(field.name):
            raise misfit(method, KEYWORD.format(field.name))
        for name in field.GetOptions().Extensions[annotations_pb2.entity].join:
            part = method.request.DESCRIPTOR.fields_by_name.get(name)
            if part is None or part.is_repeated or part.type != FieldDescriptor.TYPE_STRING or iskeyword(name):
                raise misfit(method, f"field '{field.name}' joins '{name}', which is no string of the message")
    return [(field.name, field.GetOptions().Extensions[annotations_pb2.entity]) for field in found]


def match_views(
    method: AnnotatedMethod, signature: Signature, views: Mapping[str, FeatureView]
) -> tuple[list[FeatureView], dict[str, Stored]]:
    """Returns the view of each entity field, and what feeds columns of the model, by the names of those.

    Raises:
        ContractError: A view is not declared or has nothing for the model, or two entities feed one column.
    """
    wanted = {name for spec in signature.inputs for name in column_names(spec)}
    used, feeds = list[FeatureView](), dict[str, Stored]()
    for index, (field, entity) in enumerate(entity_fields(method)):
        view = views.get(entity.view)
        if view is None:
            told = f"feature view '{entity.view}' is not declared; apply it with gapura features apply"
            raise misfit(method, told)
        used.append(view)
        named = {entity.prefix + column.name: position for position, column in enumerate(view.schema.columns)}
        if not wanted & named.keys():
            raise misfit(method, f"the model has no column of {named_view(entity)}, which field '{field}' looks up")
        for name in named.keys() & wanted:
            if name in feeds:
                raise misfit(method, f"two entities look up '{name}': give each a prefix of its own")
            column = view.schema.columns[named[name]]
            feeds[name] = Stored(index, named[name], column, f"column '{column.name}' of view '{view.name}'")
    return used, feeds


def named_view(entity: annotations_pb2.Entity) -> str:
    """Returns how a message speaks of the view of an entity field."""
    return f"feature view '{entity.view}'" + (f" behind the prefix '{entity.prefix}'" if entity.prefix else "")


def read_entities(method: AnnotatedMethod, plan: RowPlan, views: Sequence[FeatureView]) -> tuple[Entity, ...]:
    """Returns the entities of a request.

    Args:
        method: The method.
        plan: What its rows are made of.
        views: The view of each entity field.
    """
    return tuple(
        make_entity(
            method.request.DESCRIPTOR.fields_by_name[field],
            view,
            [cell.column.field for cell in plan.cells() if is_of(cell, index)],
        )
        for index, ((field, _), view) in enumerate(zip(entity_fields(method), views, strict=True))
    )


def is_of(cell: Cell, entity: int) -> bool:
    """Says whether the features of an entity feed a cell."""
    return cell.column.stored is not None and cell.column.stored.entity == entity


def make_entity(field: FieldDescriptor, view: FeatureView, fields: Sequence[str]) -> Entity:
    """Makes an entity of the request fields of its columns; empty ones stand for columns that no field feeds."""
    options = field.GetOptions()
    return Entity(
        field=field.name,
        join=tuple(options.Extensions[annotations_pb2.entity].join),
        view=view,
        fields=tuple(filter(None, fields)),
        alone="" in fields,
        optional=field_behavior_pb2.OPTIONAL in options.Extensions[field_behavior_pb2.field_behavior],
    )


def check_stored(method: AnnotatedMethod, signature: Signature, plan: RowPlan) -> None:
    """Checks that stored features fit the tensors, and the request fields that they stand for.

    Raises:
        ContractError: One does not.
    """
    for spec, cells in zip(signature.inputs, plan.tensors, strict=True):
        for cell in cells:
            if cell.column.stored is not None:
                problem = next(problems(cell, cell.column.stored, spec), "")
                if problem:
                    raise misfit(method, problem)


def problems(cell: Cell, stored: Stored, spec: TensorSpec) -> Iterator[str]:
    """Yields why stored features do not fit."""
    column, feature = cell.column, stored.column
    kind = feature.type.name
    if iskeyword(column.field):
        yield KEYWORD.format(column.field)
    if not fits_tensor(feature.type, spec.datatype):
        yield f"{stored.source}, a {kind}, does not fit into a {spec.datatype}, the type of '{spec.name}'"
    if column.field and (column.required or not column.presence):
        yield f"field '{column.field}' can come from {stored.source}: declare it `optional`, and not REQUIRED"
    if column.field and not fits_field(feature.type, column.cpp_type):
        yield f"field '{column.field}' cannot hold {stored.source}, a {kind}: give one of them the other's type"
    if feature.default is None:
        if spec.datatype not in FLOATS:
            yield f"{stored.source} may be null, and {spec.datatype} has no missing value: give it a default"
    elif not cell.text and not cell.low <= feature.default <= cell.high:  # type: ignore[operator] # it is a number
        yield f"the default of {stored.source} {describe_range(cell, feature.default)}"  # type: ignore[arg-type] # as above


def fits_tensor(feature: FeatureType, datatype: str) -> bool:
    """Says whether a tensor has a place for all values of a type, or the nearest ones where it is floating-point."""
    if feature in TEXT_FEATURES or datatype == BYTES:
        return feature in TEXT_FEATURES and datatype == BYTES
    if datatype in FLOATS:
        return True
    if feature in FLOAT_FEATURES or datatype not in LIMITS:
        return False
    (least, most), (low, high) = LIMITS[RANGES[feature]], LIMITS[datatype]
    return low <= least and most <= high


def fits_field(feature: FeatureType, cpp_type: int) -> bool:
    """Says whether a request field can hold values of a type; those that are out of its range count as missing."""
    if feature is FeatureType.BYTES or cpp_type == NO_FIELD:
        return cpp_type == NO_FIELD
    if cpp_type == FieldDescriptor.CPPTYPE_STRING or feature is FeatureType.STRING:
        return cpp_type == FieldDescriptor.CPPTYPE_STRING and feature is FeatureType.STRING
    if cpp_type in FLOAT_FIELDS:
        return True
    return feature is FeatureType.BOOL or (feature in RANGES and cpp_type != FieldDescriptor.CPPTYPE_BOOL)
