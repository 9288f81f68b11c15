"""Compiles output tensors into response fields: elements, bands, lists of items, and what a decision adds."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from keyword import iskeyword
from secrets import token_hex
from time import time_ns
from typing import Any, NoReturn, TypeVar

from erpml.annotations.v1 import annotations_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.columns import misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.items import item_steps, read_items
from gateway.contracts.predictions import FEATURES_SOURCE, Templates, info_field
from gateway.contracts.steps import Place, Step, annotations, band_steps, element_steps
from gateway.errors import ModelFailed
from gateway.interfaces import Decision
from gateway.types import Arm, ModelVersion, Policy, Signature, Tensors, TensorSpec

# A request, outputs, the position of its row and who answered -> the response message; raises InvalidRequest. Where
# stored features may be used, the request is an `Asked`.
FillAnswer = Callable[[Any, Tensors, int, Arm], Any]

Function = TypeVar("Function")


def compile_answer(  # noqa: PLR0913 - what an answer may be made of
    method: AnnotatedMethod,
    version: ModelVersion,
    policy: Policy,
    decision: Decision | None,
    *,
    stored: bool = False,
    row: Descriptor | None = None,
) -> FillAnswer:
    """Compiles the response of one version; its source is what `write_source` writes.

    Args:
        method: The method.
        version: Who answers.
        policy: Values that replace those of the contract.
        decision: What annotations cannot say, if there is something.
        stored: Whether stored features may be used.
        row: The message that is a row of the call; None where the request is.

    Raises:
        ContractError: A response field is filled by nobody, or by something that does not fit it.
    """
    policy = effective_policy(method, policy)
    bound = [version.signature.outputs[position] for position in bound_outputs(method, version.signature)]
    refuse = partial(refuse_nan, version)
    steps = single_steps(method, bound, policy, row)
    for step, message, filled in item_steps(method, bound, policy, refuse, row):
        check_filled(method, message, filled)
        steps.append(step)
    decide = compile_policy(method, policy, decision.compile) if decision else None
    decided = decided_steps(method, decision.fills if decision else ())
    info = info_field(method)
    check_filled(method, method.response.DESCRIPTOR, {step.field for step in (*steps, *decided)} | {info})
    names: dict[str, Any] = {
        "parse": method.response.FromString,
        "templates": Templates(method, info, version),
        "bisect_left": bisect_left,
        "refuse_nan": refuse,
        "decide": decide,
        "prefix": token_hex(8),
        "numbers": count(1),
        "time_ns": time_ns,
    }
    for step in steps:
        names |= step.names
    source = write_source(steps, decided, info, stored=stored, rows=row is not None)
    exec(source, names)  # noqa: S102 - of names that a descriptor pool accepts: letters, digits and _
    fill: FillAnswer = names["fill"]
    return fill


def write_source(steps: Sequence[Step], decided: Sequence[Step], info: str, *, stored: bool, rows: bool) -> str:
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
    lines += ["rows = asked.rows"] if rows else []
    lines.append("response = parse(templates[arm.name, arm.experiment, arm.assignment])")
    lines += [line for step in steps for line in step.lines]
    lines += ["decided = decide(request, response)"] if decided else []
    lines += [line for step in decided for line in step.lines]
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
    bands = {name: tuple(band.bounds) for name, band in all_annotations(method, annotations_pb2.band)}
    return {**defaults, **bands, **policy}


def all_annotations(method: AnnotatedMethod, extension: Any) -> Iterator[tuple[str, Any]]:
    """Yields name and annotation of every field of the response, and of the items of its lists, that carries one."""
    for message in (method.response.DESCRIPTOR, *(message for _, message, _ in read_items(method))):
        yield from annotations(message, extension)


def bound_outputs(method: AnnotatedMethod, signature: Signature) -> tuple[int, ...]:
    """Returns the positions of the outputs that the method reads, ascending; the model is asked for no others."""
    names = {output.tensor for _, output in all_annotations(method, annotations_pb2.output)}
    names |= {items.tensor for _, _, items in read_items(method) if items.tensor}
    return tuple(position for position, spec in enumerate(signature.outputs) if spec.name in names)


def single_steps(
    method: AnnotatedMethod, bound: Sequence[TensorSpec], policy: Policy, row: Descriptor | None
) -> list[Step]:
    """Returns the steps that fill fields of the response itself.

    Raises:
        ContractError: One does not fit the model; or the call has many rows, and none of them is the response's own.
    """
    place = Place(method.response.DESCRIPTOR, "response", "row")
    steps = [*element_steps(method, bound, place), *band_steps(method, policy, place)]
    if row is not None and steps:
        raise misfit(method, f"'{steps[0].field}' reads an output, of which each row has its own: put it into items")
    return steps


def decided_steps(method: AnnotatedMethod, names: Sequence[str]) -> list[Step]:
    """Returns the steps that fill what a decision returns.

    Raises:
        ContractError: The response has no such field.
    """
    fields = method.response.DESCRIPTOR.fields_by_name
    unknown = [name for name in names if name not in fields]
    if unknown:
        raise misfit(method, f"its decision function fills {', '.join(unknown)}, which the response does not have")
    return [Step(name, (write_decided(fields[name]),), {}) for name in names]


def write_decided(field: FieldDescriptor) -> str:
    """Writes what puts a decided value into its field: a number or text, a message, or a sequence of them.

    Messages travel as bytes: those of a decision are of another pool of descriptors.
    """
    place, value = f"response.{field.name}", f"decided[{field.name!r}]"
    if field.message_type and field.is_repeated:
        return f"for each in {value}: {place}.add().MergeFromString(each.SerializeToString())"
    if field.message_type:
        return f"{place}.MergeFromString({value}.SerializeToString())"
    return f"{place}.extend({value})" if field.is_repeated else f"{place} = {value}"


def compile_policy(method: AnnotatedMethod, policy: Policy, compile_function: Callable[[Policy], Function]) -> Function:
    """Compiles a function of the method's decision.

    Raises:
        ContractError: The policy lacks a value that the decision needs, or has one that makes no sense.
    """
    try:
        return compile_function(policy)
    except (KeyError, ValueError) as error:
        raise misfit(method, f"the policy does not fit: {error}") from error


def check_filled(method: AnnotatedMethod, message: Descriptor, filled: set[str]) -> None:
    """Checks that every field of a response, or of its items, is filled by somebody and can be read by everybody.

    Raises:
        ContractError: One is not, or cannot.
    """
    fields = list(message.fields)
    keyword = next((field.name for field in fields if iskeyword(field.name)), None)
    if keyword is not None:
        raise misfit(method, f"'{keyword}' is a keyword of Python, so that no Python caller could read it: rename it")
    empty = [field.name for field in fields if field.name not in filled]
    if empty:
        raise misfit(method, f"nobody fills {', '.join(empty)}: annotate it or add a decision function")
