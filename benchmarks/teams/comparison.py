"""Compares typed answers with what the registry's own model says, wherever a contract reads one of its outputs."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from erpml.annotations.v1 import annotations_pb2
from numpy.typing import NDArray

from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.items import read_items
from gateway.contracts.steps import annotations

Row = Mapping[str, NDArray[Any]]


def largest_difference(method: AnnotatedMethod, answers: list[Any], native: Mapping[str, NDArray[Any]]) -> float:
    """Returns the largest difference of a number, relative above 1 and absolute below.

    Args:
        method: The method.
        answers: Its responses, one for each row.
        native: Outputs of the registry's model by name, shape [rows, ...].

    Raises:
        AssertionError: A text or a whole number differs, or a list has another length or order.
    """
    rows = ({name: output[number] for name, output in native.items()} for number in range(len(answers)))
    return max(
        difference(told, wanted)
        for answer, row in zip(answers, rows, strict=True)
        for told, wanted in pairs(method, answer, row)
    )


def pairs(method: AnnotatedMethod, answer: Any, row: Row) -> Iterator[tuple[Any, Any]]:
    """Yields what a response says and what the model does, for everything that the contract reads from it."""
    yield from _of_message(answer, {name: output.reshape(-1) for name, output in row.items()})
    for name, message, items in read_items(method):
        told = list(getattr(answer, name))
        if not items.tensor:
            assert len(told) == 1, f"{name} has {len(told)} items for one row"
            yield from _of_message(told[0], {each: output.reshape(-1) for each, output in row.items()})
            continue
        order = range(len(row[items.tensor]))
        entries = {each: output for each, output in row.items() if len(output) == len(order)}
        if items.order_by:
            by = dict(annotations(message, annotations_pb2.output))[items.order_by]
            values = row[by.tensor].reshape(len(order), -1)[:, by.element]
            order = np.argsort(-values, kind="stable")[: len(told)]  # type: ignore[assignment] # numbers as well
        for item, entry in zip(told, order, strict=bool(items.order_by)):
            yield from _of_message(item, {each: output[entry].reshape(-1) for each, output in entries.items()})


def difference(told: Any, wanted: Any) -> float:
    """Returns the difference of two numbers.

    Raises:
        AssertionError: They are texts or whole numbers, and not the same.
    """
    if isinstance(told, float):
        return float(abs(told - wanted) / max(1.0, abs(wanted)))
    assert told == wanted, f"the method answers {told}, the model {wanted}"
    return 0.0


def _of_message(message: Any, flat: Row) -> Iterator[tuple[Any, Any]]:
    for name, output in annotations(message.DESCRIPTOR, annotations_pb2.output):
        values = flat[output.tensor]
        yield getattr(message, name), values.max() if output.largest else values[output.element]
