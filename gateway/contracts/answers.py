"""Compiles output tensors into response fields: elements, bands, and what a decision adds."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from math import prod
from secrets import token_hex
from struct import Struct
from typing import Any

from erpml.annotations.v1 import annotations_pb2
from erpml.types.v1 import prediction_info_pb2
from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.columns import misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.rows import STRUCT_CODES
from gateway.interfaces import Decide, Decision
from gateway.tensors import ELEMENT_BYTES
from gateway.types import Arm, Policy, Signature, Tensors

# A request, outputs and the position of its row -> the response message.
FillAnswer = Callable[[Any, Tensors, int], Any]
# Reads a field's value: the outputs and the position of the row -> value.
ReadElement = Callable[[Tensors, int], Any]

PREDICTION_INFO = prediction_info_pb2.PredictionInfo.DESCRIPTOR.full_name


def prediction_ids() -> Iterator[str]:
    """Yields ids that no other process and no later run yields: a random prefix and a count."""
    prefix = token_hex(8)
    return (f"{prefix}-{number:x}" for number in count(1))


def compile_answer(method: AnnotatedMethod, arm: Arm, policy: Policy, decision: Decision | None) -> FillAnswer:
    """Compiles the response of one arm.

    Raises:
        ContractError: A response field is filled by nobody, or by something that does not fit it.
    """
    policy = effective_policy(method, policy)
    readers = list(element_readers(method, arm.version.signature))
    bands = list(band_fields(method, policy))
    decide, decided = compile_decision(method, policy, decision)
    info = info_field(method)
    check_filled(method, dict(readers).keys() | {name for name, *_ in bands} | decided | {info})
    parse, template = method.response.FromString, info_template(method, info, arm)
    ids = prediction_ids()

    def fill(request: Any, outputs: Tensors, row: int) -> Any:
        response = parse(template)
        for name, read in readers:
            setattr(response, name, read(outputs, row))
        for name, score, bounds in bands:
            setattr(response, name, bisect_left(bounds, getattr(response, score)) + 1)
        if decide is not None:
            for name, value in decide(request, response).items():
                setattr(response, name, value)
        getattr(response, info).prediction_id = next(ids)
        return response

    return fill


def effective_policy(method: AnnotatedMethod, policy: Policy) -> Policy:
    """Returns the defaults of the contract with the catalog's values in their place."""
    defaults = {default.name: tuple(default.values) for default in method.serving.policy}
    bands = {name: tuple(band.bounds) for name, band in annotations(method, annotations_pb2.band)}
    return {**defaults, **bands, **policy}


def annotations(method: AnnotatedMethod, extension: Any) -> Iterator[tuple[str, Any]]:
    """Yields name and annotation of every response field that carries the extension."""
    for field in method.response.DESCRIPTOR.fields:
        options = method.options[field.full_name]
        if options.HasExtension(extension):
            yield field.name, options.Extensions[extension]


def element_readers(method: AnnotatedMethod, signature: Signature) -> Iterator[tuple[str, ReadElement]]:
    """Yields name and reader of every field that an output element fills.

    Raises:
        ContractError: The model has no such element.
    """
    for name, output in annotations(method, annotations_pb2.output):
        yield name, compile_element(method, signature, output)


def compile_element(method: AnnotatedMethod, signature: Signature, output: annotations_pb2.Output) -> ReadElement:
    """Compiles the reader of one element of each row.

    Raises:
        ContractError: The model has no such element.
    """
    position = next((index for index, spec in enumerate(signature.outputs) if spec.name == output.tensor), None)
    if position is None:
        raise misfit(method, f"the model has no output '{output.tensor}'")
    spec = signature.outputs[position]
    if spec.datatype not in STRUCT_CODES or min(spec.dims, default=1) < 0 or output.element >= prod(spec.dims):
        raise misfit(method, f"output '{spec.name}' {spec.datatype} {list(spec.dims)} has no element {output.element}")
    size = ELEMENT_BYTES[spec.datatype]
    row_bytes, offset = prod(spec.dims) * size, output.element * size
    unpack = Struct(f"<{STRUCT_CODES[spec.datatype]}").unpack_from

    def read(outputs: Tensors, row: int) -> Any:
        return unpack(outputs.data[position], row * row_bytes + offset)[0]

    return read


def band_fields(method: AnnotatedMethod, policy: Policy) -> Iterator[tuple[str, str, Sequence[float]]]:
    """Yields name, score field and bounds of every band.

    Raises:
        ContractError: The bounds do not rise, or the enum does not have one value for each band.
    """
    fields = method.response.DESCRIPTOR.fields_by_name
    for name, band in annotations(method, annotations_pb2.band):
        bounds, enum = policy[name], fields[name].enum_type
        if band.of not in fields:
            raise misfit(method, f"band '{name}' reads '{band.of}', which is not a field")
        if list(bounds) != sorted(set(bounds)):
            raise misfit(method, f"the bounds of '{name}' must rise, got {list(bounds)}")
        if enum is None or sorted(enum.values_by_number) != list(range(len(bounds) + 2)):
            raise misfit(method, f"'{name}' needs an enum of {len(bounds) + 1} values beside its zero")
        yield name, band.of, bounds


def compile_decision(
    method: AnnotatedMethod, policy: Policy, decision: Decision | None
) -> tuple[Decide | None, set[str]]:
    """Compiles the method's decision function, if it has one; returns also the fields that it fills.

    Raises:
        ContractError: The policy lacks a value that the decision needs.
    """
    if decision is None:
        return None, set()
    try:
        return decision.compile(policy), set(decision.fills)
    except (KeyError, ValueError) as error:
        raise misfit(method, f"the policy does not fit: {error}") from error


def info_field(method: AnnotatedMethod) -> str:
    """Returns the name of the field that says who answered.

    Raises:
        ContractError: There is none.
    """
    for field in method.response.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.full_name == PREDICTION_INFO:
            return str(field.name)
    raise misfit(method, f"the response needs a field of type {PREDICTION_INFO}")


def info_template(method: AnnotatedMethod, info: str, arm: Arm) -> bytes:
    """Returns a serialised response that holds all that is the same in every answer of the arm."""
    response = method.response()
    said = getattr(response, info)
    said.model, said.version, said.arm = arm.version.model, arm.version.number, arm.name
    said.feature_status = prediction_info_pb2.FEATURE_STATUS_NOT_USED
    return bytes(response.SerializeToString())


def check_filled(method: AnnotatedMethod, filled: set[str]) -> None:
    """Checks that every response field is filled by somebody.

    Raises:
        ContractError: One is not.
    """
    fields: list[FieldDescriptor] = method.response.DESCRIPTOR.fields
    empty = [field.name for field in fields if field.name not in filled]
    if empty:
        raise misfit(method, f"nobody fills {', '.join(empty)}: annotate it or add a decision function")
