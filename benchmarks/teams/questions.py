"""Turns held-out rows of a model into typed requests, and into the stored features that these look up.

What a field feeds is read from the contract's annotations, so that no method needs code of its own here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isnan
from typing import Any

import numpy as np
import pandas as pd
from erpml.annotations.v1 import annotations_pb2
from erpml.types.v1 import feature_view_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.columns import FLOAT_FIELDS
from gateway.contracts.descriptors import AnnotatedMethod

FLOAT32, FLOAT64 = feature_view_pb2.FEATURE_TYPE_FLOAT32, feature_view_pb2.FEATURE_TYPE_FLOAT64
KINDS: Mapping[int, Callable[[Any], Any]] = {
    FLOAT32: float,
    FLOAT64: float,
    feature_view_pb2.FEATURE_TYPE_STRING: str,
    feature_view_pb2.FEATURE_TYPE_BOOL: bool,
}
Views = Mapping[str, feature_view_pb2.FeatureView]


@dataclass(slots=True)
class Questions:
    """Typed requests, one for each row.

    Attributes:
        requests: The requests.
        stored: Rows to push, by the name of their view, as `gapura features push` reads them.
    """

    requests: list[Any] = field(default_factory=list)
    stored: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def as_stored(rows: pd.DataFrame, method: AnnotatedMethod, views: Views) -> pd.DataFrame:
    """Returns rows whose values are rounded as the feature store rounds them, so that both sides see the same."""
    rounded = rows.copy()
    for message in messages_of(method):
        for each, prefix in entities_of(message, views):
            singles = [prefix + column.name for column in each.columns if column.type == FLOAT32]
            kept = [name for name in singles if name in rounded]
            rounded[kept] = rounded[kept].astype(np.float32).astype(dict(rows.dtypes[kept]))
    return rounded


def ask(method: AnnotatedMethod, rows: pd.DataFrame, views: Views) -> Questions:
    """Returns the request of each row: fields say what they feed, stored features the rest."""
    questions = Questions()
    for number, row in enumerate(rows.to_dict("records")):
        request = method.request()
        _fill(request, row, f"verified-{number}", views, questions.stored)
        if method.serving.rows:
            _fill(getattr(request, method.serving.rows).add(), row, f"verified-{number}", views, questions.stored)
        questions.requests.append(request)
    return questions


def messages_of(method: AnnotatedMethod) -> Sequence[Any]:
    """Returns the descriptors of what feeds columns: the request, and its rows."""
    request = method.request.DESCRIPTOR
    return [request, request.fields_by_name[method.serving.rows].message_type] if method.serving.rows else [request]


def entities_of(message: Any, views: Views) -> list[tuple[feature_view_pb2.FeatureView, str]]:
    """Returns the views that a message looks up, with their prefixes."""
    entities = [each.GetOptions().Extensions[annotations_pb2.entity] for each in message.fields]
    return [(views[entity.view], entity.prefix) for entity in entities if entity.view]


def _fill(
    message: Any, row: Mapping[str, Any], name: str, views: Views, stored: dict[str, list[dict[str, Any]]]
) -> None:
    for each in message.DESCRIPTOR.fields:
        options = each.GetOptions()
        if options.HasExtension(annotations_pb2.input):
            value = row[options.Extensions[annotations_pb2.input].column]
            if isinstance(value, str) or not isnan(value):
                setattr(message, each.name, as_field(each, value))
        elif options.HasExtension(annotations_pb2.entity):
            entity = options.Extensions[annotations_pb2.entity]
            for part in (each.name, *entity.join):
                setattr(message, part, name)
            stored.setdefault(entity.view, []).append(
                _features(views[entity.view], entity.prefix, row, "/".join([name] * (1 + len(entity.join))))
            )
        elif is_text(each) and field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior]:
            setattr(message, each.name, name)


def is_text(of: FieldDescriptor) -> bool:
    """Says whether a field is one text."""
    return bool(of.type == FieldDescriptor.TYPE_STRING and not of.is_repeated)


def as_field(of: FieldDescriptor, value: Any) -> Any:
    """Returns a value in the type of a field."""
    if isinstance(value, str) or of.cpp_type in FLOAT_FIELDS:
        return value
    return bool(value) if of.cpp_type == FieldDescriptor.CPPTYPE_BOOL else int(value)


def _features(view: feature_view_pb2.FeatureView, prefix: str, row: Mapping[str, Any], entity: str) -> dict[str, Any]:
    values = {column.name: _stored(column, row.get(prefix + column.name)) for column in view.columns}
    return {"entity": entity, "event_time": datetime.now(UTC).isoformat(), **values}


def _stored(column: feature_view_pb2.FeatureColumn, value: Any) -> Any:
    if value is None or (not isinstance(value, str) and isnan(value)):
        return None
    return KINDS.get(column.type, int)(value)
