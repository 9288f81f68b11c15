"""Rows of held-out data as requests: a missing value is a field that is not set."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from erpml.annotations.v1 import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

Request = TypeVar("Request", bound=Message)

_KINDS: Mapping[int, type[bool] | type[int]] = {
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
}


def fill(request: Request, row: Mapping[Any, float]) -> Request:
    """Says in a request what a row has; the contract says which column feeds which field."""
    for field, column in _columns(request):
        if not math.isnan(row[column]):
            setattr(request, field.name, _KINDS.get(field.cpp_type, float)(row[column]))
    return request


def _columns(request: Message) -> Iterator[tuple[Any, str]]:
    for field in request.DESCRIPTOR.fields:
        column = field.GetOptions().Extensions[annotations_pb2.input].column
        if column:
            yield field, column
