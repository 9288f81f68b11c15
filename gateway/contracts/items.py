"""Compiles lists of a response: a message for each row of the call, or for each entry of an output's row."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from math import isnan
from typing import Any, NoReturn

from erpml.annotations.v1 import annotations_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.columns import INTEGER_FIELDS, misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.rows import STRUCT_CODES
from gateway.contracts.steps import Place, Step, annotations, band_steps, element_steps, find_output
from gateway.errors import InvalidFields
from gateway.tensors import BYTES
from gateway.types import Policy, Tensors, TensorSpec


@dataclass(frozen=True, slots=True)
class Order:
    """Values by which messages are ordered.

    Attributes:
        output: Position of their output among those that are read.
        code: Of the type of its elements, for `struct`.
        first: The first of the values in a row of it.
        step: Elements from one value to the next.
        elements: Elements of a row of the output where the values are entries of one row; 0 where they are of many.
    """

    output: int
    code: str
    first: int
    step: int
    elements: int

    def values(self, outputs: Tensors, row: int) -> list[float]:
        """Returns the value of each row or entry."""
        found = memoryview(outputs.data[self.output]).cast("B").cast(self.code)  # type: ignore[call-overload] # a code that it knows
        if self.elements:
            found = found[row * self.elements : (row + 1) * self.elements]
        values: list[float] = found[self.first :: self.step].tolist()
        return values


@dataclass(frozen=True, slots=True)
class Pick:
    """Says of which rows or entries messages are made.

    Attributes:
        most: Most messages; 0 for all.
        usual: Messages where the request does not say how many; 0 for the most.
        asked: Request field that says how many; empty where there is none.
        order: By what they are ordered; None where it is by their positions.
        refuse_nan: Fails a call.
    """

    most: int
    usual: int
    asked: str
    order: Order | None
    refuse_nan: Callable[[], NoReturn]

    def __call__(self, request: Any, outputs: Tensors, row: int, count: int) -> Sequence[int]:
        """Returns the indices of rows or entries.

        Args:
            request: The request.
            outputs: What the model answered.
            row: The row, where entries are picked.
            count: How many rows or entries there are.

        Raises:
            InvalidFields: The request wants more than may be.
        """
        wanted = min(count, self._wanted(request, self.most or count))
        if self.order is None:
            return range(wanted)
        values = self.order.values(outputs, row)
        if any(map(isnan, values)):
            self.refuse_nan()
        return nlargest(wanted, range(count), key=values.__getitem__)

    def _wanted(self, request: Any, most: int) -> int:
        wanted: int = getattr(request, self.asked) if self.asked else 0
        if self.asked and self.most and not 0 <= wanted <= most:
            raise InvalidFields([(self.asked, f"must be at least 1 and at most {most}, got {wanted}")])
        if wanted < 0:
            raise InvalidFields([(self.asked, f"must be at least 1, got {wanted}")])
        return wanted or self.usual or most


def read_items(method: AnnotatedMethod) -> list[tuple[str, Descriptor, annotations_pb2.Items]]:
    """Returns the response fields that are lists of items, their messages, and their annotations.

    Raises:
        ContractError: One is no list of messages.
    """
    fields = method.response.DESCRIPTOR.fields_by_name
    found = list(annotations(method.response.DESCRIPTOR, annotations_pb2.items))
    for name, _ in found:
        if not fields[name].is_repeated or fields[name].message_type is None:
            raise misfit(method, f"'{name}' must be a repeated field of messages to have items")
    return [(name, fields[name].message_type, items) for name, items in found]


def item_steps(
    method: AnnotatedMethod,
    bound: Sequence[TensorSpec],
    policy: Policy,
    refuse_nan: Callable[[], NoReturn],
    row: Descriptor | None,
) -> Iterator[tuple[Step, Descriptor, set[str]]]:
    """Yields for each list the step that fills it, the message of its items, and which fields of that are filled.

    The source of a step reads

        for index in pick_products(request, outputs, row, len(rows)):
            item = response.products.add()
            (value, ) = read_products_score(outputs.data[0], index * 4 + 0)
            if value != value: refuse_nan()
            item.score = value
            item.product_id = rows[index].product_id

    Args:
        method: The method.
        bound: The outputs that it reads, in the order in which they come.
        policy: Bounds of bands.
        refuse_nan: Fails a call.
        row: The message that is a row of the call; None where the request is.

    Raises:
        ContractError: A list does not fit the model or the request.
    """
    for name, message, items in read_items(method):
        prefix = f"{name}_"
        if items.tensor:
            spec = bound[find_output(method, bound, items.tensor)]
            check_entries(method, spec)
            place, count = Place(message, "item", "row", "index", prefix), str(spec.dims[0])
        elif row is None:
            raise misfit(method, f"'{name}' needs a `tensor`: the method has no `rows` of which it could be made")
        else:
            spec, place, count = None, Place(message, "item", "index", prefix=prefix), "len(rows)"
        own = [*element_steps(method, bound, place), *band_steps(method, policy, place)]
        own += source_steps(method, place, row, spec)
        pick = compile_pick(method, bound, items, place, refuse_nan)
        lines = [
            f"for index in pick_{name}(request, outputs, row, {count}):",
            f"    item = response.{name}.add()",
            *(f"    {line}" for step in own for line in step.lines),
        ]
        names: dict[str, object] = {f"pick_{name}": pick}
        for step in own:
            names |= step.names
        yield Step(name, tuple(lines), names), message, {step.field for step in own}


def check_entries(method: AnnotatedMethod, spec: TensorSpec) -> None:
    """Checks that a row of an output has entries.

    Raises:
        ContractError: It has none, or not always as many.
    """
    if not spec.dims or min(spec.dims) < 0:
        raise misfit(method, f"a row of '{spec.name}' has shape {list(spec.dims)}, not a fixed number of entries")


def source_steps(
    method: AnnotatedMethod, place: Place, row: Descriptor | None, spec: TensorSpec | None
) -> Iterator[Step]:
    """Yields the steps that fill a field by position, name or a field of the row.

    Raises:
        ContractError: There is no such source.
    """
    for name, item in annotations(place.message, annotations_pb2.item):
        source = item.WhichOneof("source")
        if source == "position":
            yield Step(name, (f"item.{name} = index + 1",), {})
        elif source == "name" and spec is not None:
            if len(spec.columns) != spec.dims[0]:
                raise misfit(method, f"the entries of '{spec.name}' have no names")
            known = f"names_{place.prefix}{name}"
            yield Step(name, (f"item.{name} = {known}[index]",), {known: spec.columns})
        elif source == "field" and row is not None and spec is None:
            check_copy(method, place.message.fields_by_name[name], row.fields_by_name.get(item.field), item.field)
            yield Step(name, (f"item.{name} = rows[index].{item.field}",), {})
        else:
            raise misfit(
                method, f"'{name}' has no source: say `position`, the `name` of an entry or a `field` of a row"
            )


def check_copy(method: AnnotatedMethod, field: FieldDescriptor, source: FieldDescriptor | None, name: str) -> None:
    """Checks that a field of an item can hold that of a row.

    Raises:
        ContractError: It cannot, or the row has no such field.
    """
    if source is None:
        raise misfit(method, f"'{field.name}' copies '{name}', which is no field of a row")
    for each in (field, source):
        if each.is_repeated or each.message_type is not None:
            raise misfit(method, f"'{field.name}' copies '{name}': both must be single numbers, texts or enums")
    if field.type != source.type:
        raise misfit(method, f"'{field.name}' cannot hold '{name}': give both the same type")


def compile_pick(
    method: AnnotatedMethod,
    bound: Sequence[TensorSpec],
    items: annotations_pb2.Items,
    place: Place,
    refuse_nan: Callable[[], NoReturn],
) -> Pick:
    """Compiles what says of which rows or entries messages are made.

    Raises:
        ContractError: A field that the annotation names is not there, or no number.
    """
    if items.most_field:
        field = method.request.DESCRIPTOR.fields_by_name.get(items.most_field)
        if field is None or field.is_repeated or field.cpp_type not in INTEGER_FIELDS:
            raise misfit(method, f"'{items.most_field}' is no whole number of the request")
    return Pick(items.most, items.usual, items.most_field, find_order(method, bound, items, place), refuse_nan)


def find_order(
    method: AnnotatedMethod, bound: Sequence[TensorSpec], items: annotations_pb2.Items, place: Place
) -> Order | None:
    """Returns the values by which items are ordered; None where they are not.

    Raises:
        ContractError: No output fills the field.
    """
    if not items.order_by:
        return None
    output = dict(annotations(place.message, annotations_pb2.output)).get(items.order_by)
    position = -1 if output is None else find_output(method, bound, output.tensor)
    if output is None or bound[position].datatype == BYTES:
        raise misfit(method, f"items are ordered by '{items.order_by}', which no number of an output fills")
    spec = bound[position]
    step = place.elements(spec)
    elements = step * spec.dims[0] if place.entry else 0
    return Order(position, STRUCT_CODES[spec.datatype], output.element, step, elements)
