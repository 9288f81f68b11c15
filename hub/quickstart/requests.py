"""Rows of held-out data as requests: a missing value is a field that is not set."""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from erpml.annotations.v1 import annotations_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

Request = TypeVar("Request", bound=Message)

_KINDS: Mapping[int, type[bool] | type[int]] = {
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
}


def fill(request: Request, row: Mapping[Any, float]) -> Request:
    """Says in a request what a row has; the contract says which column feeds which field."""
    for field, column in _columns(request.DESCRIPTOR):
        if not math.isnan(row[column]):
            setattr(request, field.name, _KINDS.get(field.cpp_type, float)(row[column]))
    return request


@cache
def _columns(message: Descriptor) -> tuple[tuple[FieldDescriptor, str], ...]:
    columns = [(field, field.GetOptions().Extensions[annotations_pb2.input].column) for field in message.fields]
    return tuple((field, column) for field, column in columns if column)
