"""Compiles output tensors into response fields: elements, bands, and what a decision adds."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from keyword import iskeyword
from math import prod
from secrets import token_hex
from struct import Struct
from time import time_ns
from typing import Any, NoReturn

from erpml.annotations.v1 import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.columns import FLOAT_FIELDS, FLOATS, INTEGER_FIELDS, misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.predictions import FEATURES_SOURCE, Templates, info_field
from gateway.contracts.rows import STRUCT_CODES
from gateway.errors import ModelFailed
from gateway.interfaces import Decide, Decision
from gateway.tensors import ELEMENT_BYTES
from gateway.types import Arm, ModelVersion, Policy, Signature, Tensors, TensorSpec

# A request, outputs, the position of its row and who answered -> the response message; raises InvalidRequest. Where
# stored features may be used, the request is an `Asked`.
FillAnswer = Callable[[Any, Tensors, int, Arm], Any]

NUMBER_FIELDS = FLOAT_FIELDS | INTEGER_FIELDS | {FieldDescriptor.CPPTYPE_BOOL}


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the generated function that fills a response field.

    Attributes:
        field: The field that it fills.
        expression: What fills it.
        names: Objects that its source uses, by name.
        before: Lines that come before it.
    """

    field: str
    expression: str
    names: Mapping[str, object]
    before: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Returns its source."""
        return [*self.before, f"response.{self.field} = {self.expression}"]


def compile_answer(
    method: AnnotatedMethod, version: ModelVersion, policy: Policy, decision: Decision | None, *, stored: bool = False
) -> FillAnswer:
    """Compiles the response of one version; its source is what `write_source` writes.

    Args:
        method: The method.
        version: Who answers.
        policy: Values that replace those of the contract.
        decision: What annotations cannot say, if there is something.
        stored: Whether stored features may be used.

    Raises:
        ContractError: A response field is filled by nobody, or by something that does not fit it.
    """
    policy = effective_policy(method, policy)
    steps = [*element_steps(method, version.signature), *band_steps(method, policy)]
    decide = compile_decision(method, policy, decision) if decision else None
    decided = [Step(name, f"decided[{name!r}]", {}) for name in (decision.fills if decision else ())]
    info = info_field(method)
    check_filled(method, {step.field for step in (*steps, *decided)} | {info})
    names: dict[str, Any] = {
        "parse": method.response.FromString,
        "templates": Templates(method, info, version),
        "bisect_left": bisect_left,
        "refuse_nan": partial(refuse_nan, version),
        "decide": decide,
        "prefix": token_hex(8),
        "numbers": count(1),
        "time_ns": time_ns,
    }
    for step in steps:
        names |= step.names
    source = write_source(steps, decided, info, stored=stored)
    exec(source, names)  # noqa: S102 - of names that a descriptor pool accepts: letters, digits and _
    fill: FillAnswer = names["fill"]
    return fill


def write_source(steps: Sequence[Step], decided: Sequence[Step], info: str, *, stored: bool) -> str:
    """Writes the function that fills a response, one assignment per field, like the packers of rows:

        def fill(request, outputs, row, arm):
            response = parse(templates[arm.name, arm.experiment, arm.assignment])
            (value, ) = read_default_probability(outputs.data[1], row * 8 + 4)
            if value != value: refuse_nan()
            response.default_probability = value
            response.risk_category = bisect_left(bounds_risk_category, response.default_probability) + 1
            decided = decide(request, response)
            response.credit_limit_minor = decided['credit_limit_minor']
            info = response.prediction
            info.prediction_id = f'{prefix}-{next(numbers):x}'
            return response

    The id is one that no other process and no later run gives: a random prefix and a count.
    """  # noqa: D415 - the colon introduces the example
    lines = ["asked, request = request, request.message"] if stored else []
    lines.append("response = parse(templates[arm.name, arm.experiment, arm.assignment])")
    lines += [line for step in steps for line in step.lines()]
    lines += ["decided = decide(request, response)"] if decided else []
    lines += [line for step in decided for line in step.lines()]
    lines += [f"info = response.{info}", "info.prediction_id = f'{prefix}-{next(numbers):x}'"]
    lines += FEATURES_SOURCE if stored else ()
    lines.append("return response")
    return "def fill(request, outputs, row, arm):\n    " + "\n    ".join(lines)


def refuse_nan(version: ModelVersion) -> NoReturn:
    """Fails a call: a score that is no number would fall into the lowest band.

    Raises:
        ModelFailed: Always.
    """
    raise ModelFailed(version.model, version.number, "answered NaN to this request")


def effective_policy(method: AnnotatedMethod, policy: Policy) -> Policy:
    """Returns the defaults of the contract with the catalog's values in their place."""
    defaults = {default.name: tuple(default.values) for default in method.serving.policy}
    bands = {name: tuple(band.bounds) for name, band in annotations(method, annotations_pb2.band)}
    return {**defaults, **bands, **policy}


def annotations(method: AnnotatedMethod, extension: Any) -> Iterator[tuple[str, Any]]:
    """Yields name and annotation of every response field that carries the extension."""
    for field in method.response.DESCRIPTOR.fields:
        options = field.GetOptions()
        if options.HasExtension(extension):
            yield field.name, options.Extensions[extension]


def bound_outputs(method: AnnotatedMethod, signature: Signature) -> tuple[int, ...]:
    """Returns the positions of the outputs that the method reads, ascending; the model is asked for no others."""
    names = {output.tensor for _, output in annotations(method, annotations_pb2.output)}
    return tuple(position for position, spec in enumerate(signature.outputs) if spec.name in names)


def element_steps(method: AnnotatedMethod, signature: Signature) -> Iterator[Step]:
    """Yields the steps that read an element of the row.

    Raises:
        ContractError: The model has no such element, or it does not fit the field.
    """
    bound = [signature.outputs[position] for position in bound_outputs(method, signature)]
    for name, output in annotations(method, annotations_pb2.output):
        yield element_step(method, bound, name, output)


def element_step(
    method: AnnotatedMethod, bound: Sequence[TensorSpec], name: str, output: annotations_pb2.Output
) -> Step:
    """Returns the step that reads one element.

    Args:
        method: The method.
        bound: The outputs that it reads, in the order in which they come.
        name: The field that is filled.
        output: What fills it.

    Raises:
        ContractError: The model has no such element, or it does not fit the field.
    """
    position = next((index for index, spec in enumerate(bound) if spec.name == output.tensor), None)
    if position is None:
        raise misfit(method, f"the model has no output '{output.tensor}'")
    spec = bound[position]
    if spec.datatype not in STRUCT_CODES or min(spec.dims, default=1) < 0 or output.element >= prod(spec.dims):
        raise misfit(method, f"output '{spec.name}' {spec.datatype} {list(spec.dims)} has no element {output.element}")
    field = method.response.DESCRIPTOR.fields_by_name[name]
    if (
        field.is_repeated
        or field.cpp_type not in NUMBER_FIELDS
        or (spec.datatype in FLOATS) > (field.cpp_type in FLOAT_FIELDS)
    ):
        raise misfit(method, f"'{name}' cannot hold an element of '{spec.name}', a {spec.datatype}")
    size = ELEMENT_BYTES[spec.datatype]
    where = f"outputs.data[{position}], row * {prod(spec.dims) * size} + {output.element * size}"
    before = [f"(value, ) = read_{name}({where})"]
    before += ["if value != value: refuse_nan()"] if spec.datatype in FLOATS else []
    return Step(name, "value", {f"read_{name}": Struct(f"<{STRUCT_CODES[spec.datatype]}").unpack_from}, tuple(before))


def band_steps(method: AnnotatedMethod, policy: Policy) -> Iterator[Step]:
    """Yields the steps that choose a band.

    Raises:
        ContractError: The bounds do not rise, or the enum does not have one value for each band.
    """
    fields = method.response.DESCRIPTOR.fields_by_name
    scores = {name for name, _ in annotations(method, annotations_pb2.output)}
    for name, band in annotations(method, annotations_pb2.band):
        bounds, enum = policy[name], fields[name].enum_type
        if band.of not in scores:
            raise misfit(method, f"band '{name}' reads '{band.of}', which no output fills")
        if list(bounds) != sorted(set(bounds)):
            raise misfit(method, f"the bounds of '{name}' must rise, got {list(bounds)}")
        if enum is None or sorted(enum.values_by_number) != list(range(len(bounds) + 2)):
            raise misfit(method, f"'{name}' needs an enum of {len(bounds) + 1} values beside its zero")
        yield Step(name, f"bisect_left(bounds_{name}, response.{band.of}) + 1", {f"bounds_{name}": bounds})


def compile_decision(method: AnnotatedMethod, policy: Policy, decision: Decision) -> Decide:
    """Compiles the method's decision function.

    Raises:
        ContractError: The policy lacks a value that the decision needs, or has one that makes no sense.
    """
    try:
        return decision.compile(policy)
    except (KeyError, ValueError) as error:
        raise misfit(method, f"the policy does not fit: {error}") from error


def check_filled(method: AnnotatedMethod, filled: set[str]) -> None:
    """Checks that every response field is filled by somebody and can be read by everybody.

    Raises:
        ContractError: One is not, or cannot.
    """
    fields: list[FieldDescriptor] = method.response.DESCRIPTOR.fields
    keyword = next((field.name for field in fields if iskeyword(field.name)), None)
    if keyword is not None:
        raise misfit(method, f"'{keyword}' is a keyword of Python, so that no Python caller could read it: rename it")
    empty = [field.name for field in fields if field.name not in filled]
    if empty:
        raise misfit(method, f"nobody fills {', '.join(empty)}: annotate it or add a decision function")
