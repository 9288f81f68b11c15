"""Reads which request fields and stored features feed which columns of a model, and whether they fit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, prod
from types import MappingProxyType

from erpml.annotations.v1 import annotations_pb2
from gapura_features.schema import Column as ViewColumn
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.descriptors import AnnotatedMethod
from gateway.errors import ContractError
from gateway.tensors import BYTES
from gateway.types import Signature, TensorSpec

LARGEST_FP32 = 3.4028234663852886e38
LARGEST_FP64 = 1.7976931348623157e308

# KServe v2 datatype -> smallest and largest finite value. Half floats overflow too early to be fed by a contract.
LIMITS: dict[str, tuple[float, float]] = {
    "BOOL": (0, 1),
    "FP32": (-LARGEST_FP32, LARGEST_FP32),
    "FP64": (-LARGEST_FP64, LARGEST_FP64),
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
FLOATS = frozenset({"FP32", "FP64"})

# Type of a number field -> smallest and largest value that it holds.
FIELD_LIMITS: dict[int, tuple[float, float]] = {
    FieldDescriptor.CPPTYPE_BOOL: LIMITS["BOOL"],
    FieldDescriptor.CPPTYPE_FLOAT: LIMITS["FP32"],
    FieldDescriptor.CPPTYPE_DOUBLE: LIMITS["FP64"],
    FieldDescriptor.CPPTYPE_ENUM: LIMITS["INT32"],
    **{getattr(FieldDescriptor, f"CPPTYPE_{name}"): LIMITS[name] for name in ("INT32", "INT64", "UINT32", "UINT64")},
}
FLOAT_FIELDS = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})
INTEGER_FIELDS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A column of a feature view that feeds a column of the model.

    Attributes:
        entity: Index of the entity whose features they are, among those of the request.
        position: Index of the column in the view.
        column: The column of the view.
        source: What it is called in messages.
    """

    entity: int
    position: int
    column: ViewColumn
    source: str


NO_FIELD = 0  # in the place of a type of field
NOTHING_STORED: Mapping[str, Stored] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what feeds it: a request field, stored features, or the one where the other is not set.

    Attributes:
        field: Name of the field; empty where there is none.
        name: Name of the column.
        cpp_type: `FieldDescriptor.CPPTYPE_*` of the field.
        required: Whether the caller must set it.
        presence: Whether an unset field can be told from a zero or an empty string.
        minimum: Smallest value accepted.
        maximum: Largest value accepted.
        stored: The stored features.
    """

    field: str
    name: str
    cpp_type: int
    required: bool
    presence: bool
    minimum: float
    maximum: float
    stored: Stored | None = None


def match_columns(
    method: AnnotatedMethod, signature: Signature, stored: Mapping[str, Stored] = NOTHING_STORED
) -> list[list[Column]]:
    """Returns the columns of each input tensor, in the tensor's order.

    Args:
        method: The method.
        signature: Of the version that answers.
        stored: Stored features that feed columns of the model, by the names of those.

    Raises:
        ContractError: A field names no column, a column is not fed, or a field does not fit its tensor.
    """
    annotated = annotated_columns(method)
    fed = {column.name: column for column in annotated}
    twice = next((column for column in annotated if fed[column.name] is not column), None)
    if twice is not None:
        raise misfit(method, f"fields '{twice.field}' and '{fed[twice.name].field}' both feed '{twice.name}'")
    wanted = [name for spec in signature.inputs for name in column_names(spec)]
    for name, column in fed.items():
        if name not in wanted:
            raise misfit(method, f"field '{column.field}' feeds '{name}', which is not a column of the model")
    for name, source in stored.items():
        fed[name] = replace(fed.get(name) or unasked_column(name), stored=source)
    for name in wanted:
        if name not in fed:
            raise misfit(method, f"no request field feeds the model's column '{name}'")
    matched = [[fed[name] for name in column_names(spec)] for spec in signature.inputs]
    for spec, columns in zip(signature.inputs, matched, strict=True):
        check_tensor(method, spec, columns)
    return matched


def column_names(spec: TensorSpec) -> tuple[str, ...]:
    """Returns the columns of a tensor; one without named elements is its own column."""
    return spec.columns or (spec.name,)


def annotated_columns(method: AnnotatedMethod) -> list[Column]:
    """Returns the columns that the fields of a request feed.

    Raises:
        ContractError: A field that is not one number, text or truth value is annotated.
    """
    fields: list[FieldDescriptor] = method.request.DESCRIPTOR.fields
    fed = [field for field in fields if field.GetOptions().HasExtension(annotations_pb2.input)]
    for field in fed:
        if field.is_repeated or field.message_type is not None or field.type == FieldDescriptor.TYPE_BYTES:
            raise misfit(method, f"field '{field.name}' must be one number, string or bool to feed a column")
    return [read_column(field) for field in fed]


def unasked_column(name: str) -> Column:
    """Returns a column that no request field feeds."""
    return Column("", name, NO_FIELD, required=False, presence=True, minimum=-inf, maximum=inf)


def read_column(field: FieldDescriptor) -> Column:
    """Reads the annotations of one field."""
    options = field.GetOptions()
    fed = options.Extensions[annotations_pb2.input]
    return Column(
        field=field.name,
        name=fed.column,
        cpp_type=field.cpp_type,
        required=field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior],
        presence=field.has_presence,
        minimum=fed.minimum if fed.HasField("minimum") else -inf,
        maximum=fed.maximum if fed.HasField("maximum") else inf,
    )


def check_tensor(method: AnnotatedMethod, spec: TensorSpec, columns: list[Column]) -> None:
    """Checks that one row of the tensor can be made of the columns.

    Raises:
        ContractError: The tensor holds more than the columns, or a field does not fit it.
    """
    check_shape(method, spec)
    for column in columns:
        if not column.field:
            continue
        if spec.datatype == BYTES or column.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            fits = spec.datatype == BYTES and column.cpp_type == FieldDescriptor.CPPTYPE_STRING
        else:
            fits = spec.datatype in FLOATS or (spec.datatype in LIMITS and column.cpp_type not in FLOAT_FIELDS)
        if not fits:
            raise misfit(method, f"field '{column.field}' cannot be a {spec.datatype}, the type of '{spec.name}'")
        if column.required and not column.presence and spec.datatype != BYTES:
            raise misfit(method, f"field '{column.field}' is required: declare it `optional` so that 0 can be told")
        if column.presence and not column.required and not column.stored and spec.datatype not in FLOATS:
            raise misfit(method, f"field '{column.field}' may be absent, and {spec.datatype} has no missing value")


def check_shape(method: AnnotatedMethod, spec: TensorSpec) -> None:
    """Checks that a row of a tensor has one element for each of its columns.

    Raises:
        ContractError: It has not, or not always.
    """
    if min(spec.dims, default=1) < 0 or prod(spec.dims) != len(column_names(spec)):
        raise misfit(method, f"a row of '{spec.name}' has shape {list(spec.dims)}, not one element per column")


def misfit(method: AnnotatedMethod, problem: str) -> ContractError:
    """The error of a method that does not fit its model."""
    return ContractError(f"{method.full_name}: {problem}", model=method.serving.model)
