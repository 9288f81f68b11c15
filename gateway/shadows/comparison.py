"""Compares what a shadow says with what the champion said, row by row: scores, and decisions."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.batches import BatchMethod
from gateway.contracts.bindings import TypedMethod
from gateway.errors import GatewayError
from gateway.feature_views import Features
from gateway.interfaces import Answered
from gateway.scores import MOST_ROWS, scores_of
from gateway.tensors import BYTES, ELEMENT_BYTES, row_offsets, split, wanted
from gateway.types import Arm, ModelVersion, Tensors

# Items of a batch whose answers are made at a stretch: each takes 10 to 20 µs of the event loop.
ITEMS_AT_ONCE = 8

DECISIONS = frozenset({FieldDescriptor.CPPTYPE_ENUM, FieldDescriptor.CPPTYPE_BOOL})
LABELS = frozenset({BYTES, *(name for name in ELEMENT_BYTES if not name.startswith("FP"))})


class Comparison(NamedTuple):
    """What comparing some rows has found.

    Attributes:
        shifts: By how much the shadow's score is above the champion's.
        same: Rows whose decision is the champion's.
        other: Rows that are decided otherwise, or by one of both alone.
    """

    shifts: Sequence[float] = ()
    same: int = 0
    other: int = 0


class Pair(NamedTuple):
    """Two answers to the same inputs.

    Attributes:
        request: The request that they answer; it is the comparison's own by now.
        champion: Who answered the caller.
        asked: What it was asked and what it said.
        features: Stored features that were used.
        shadow: Who was asked too.
        outputs: What it said.
    """

    request: Any
    champion: Arm
    asked: Answered
    features: Sequence[Features]
    shadow: Arm
    outputs: Tensors


def compare(method: object, pair: Pair) -> Iterator[Comparison]:
    """Compares the first rows of two answers, a few at a time: whoever iterates lets others work between two steps.

    Raises:
        GatewayError: The outputs of the shadow do not make an answer.
    """
    yield Comparison(shifts=shifts_between(pair))
    if isinstance(method, BatchMethod):
        yield from compare_items(method, pair)
    elif isinstance(method, TypedMethod):
        yield compare_answers(method, pair)
    else:
        yield compare_labels(pair)


def shifts_between(pair: Pair) -> Sequence[float]:
    """Returns by how much each score is above the champion's; none where a score is missing or not finite."""
    before = scores_of(pair.champion.version, pair.asked.outputs)
    after = scores_of(pair.shadow.version, pair.outputs)
    if not len(before) == len(after) == min(pair.outputs.rows, MOST_ROWS):
        return ()
    return [score - champions for score, champions in zip(after, before, strict=True)]


@lru_cache(1024)
def decision_fields(response: Descriptor) -> tuple[str, ...]:
    """Returns the fields of a response that are decisions: its enums and truth values."""
    return tuple(field.name for field in response.fields if field.cpp_type in DECISIONS)


def agree(answer: Any, other: Any) -> bool:
    """Says whether two responses of one class decide alike."""
    return all(getattr(answer, name) == getattr(other, name) for name in decision_fields(answer.DESCRIPTOR))


def compare_answers(method: TypedMethod, pair: Pair) -> Comparison:
    """Compares the decisions of two answers to one item.

    Raises:
        GatewayError: The outputs of the shadow do not make an answer.
    """
    if not decision_fields(method.response.DESCRIPTOR):
        return Comparison()
    method.lookups(pair.request, pair.shadow)  # tells the request whose it is now
    answer = method.answer(pair.request, pair.asked.left_out, pair.outputs, pair.shadow, pair.features)
    same = agree(method.response.FromString(pair.asked.answer), method.response.FromString(answer))
    return Comparison(same=int(same), other=int(not same))


def compare_items(method: BatchMethod, pair: Pair) -> Iterator[Comparison]:
    """Compares the decisions of two answers to a batch of items, a few items at a time."""
    if not decision_fields(method.item.response.DESCRIPTOR):
        return
    results = getattr(method.response.FromString(pair.asked.answer), method.results)[:MOST_ROWS]
    left_out = pair.asked.left_out
    for positions, outputs in parts_of(range(len(results)), left_out, pair):
        errors = {at: left_out[position] for at, position in enumerate(positions) if position in left_out}
        answer = method.answer(method.part(pair.request, positions), errors, outputs, pair.shadow)
        found = getattr(method.response.FromString(answer), method.results)
        same = other = 0
        for position, result in zip(positions, found, strict=True):
            champions = results[position]
            answered = result.HasField(method.answered), champions.HasField(method.answered)
            if all(answered) and agree(getattr(result, method.answered), getattr(champions, method.answered)):
                same += 1
            elif any(answered):
                other += 1
        yield Comparison(same=same, other=other)


def parts_of(items: range, left_out: Mapping[int, GatewayError], pair: Pair) -> Iterator[tuple[Sequence[int], Tensors]]:
    """Yields a few items at a time, with the outputs of those that were not left out."""
    parts = [items[start : start + ITEMS_AT_ONCE] for start in items[::ITEMS_AT_ONCE]]
    rows = [sum(position not in left_out for position in part) for part in parts]
    rest = pair.outputs.rows - sum(rows)
    specs = wanted(pair.shadow.version, pair.outputs.terms)
    return zip(parts, split(pair.outputs, specs, [*rows, rest]), strict=False)


def compare_labels(pair: Pair) -> Comparison:
    """Compares the labels of two answers in tensors: whatever is no floating-point number."""
    champions, outputs = pair.asked.outputs, pair.outputs
    specs = wanted(pair.shadow.version, outputs.terms)
    labels = [at for at, spec in enumerate(specs) if spec.datatype in LABELS]
    rows, others = min(outputs.rows, MOST_ROWS), set[int]()
    for at in labels:
        if champions.shapes[at] != outputs.shapes[at]:
            return Comparison(other=rows)
        if champions.data[at] != outputs.data[at]:
            mine, theirs = (rows_of(tensors, at, pair.shadow.version) for tensors in (outputs, champions))
            others |= {row for row, pairs in enumerate(zip(mine, theirs, strict=True)) if pairs[0] != pairs[1]}
    return Comparison(same=rows - len(others), other=len(others)) if labels else Comparison()


def rows_of(outputs: Tensors, at: int, version: ModelVersion) -> list[Any]:
    """Returns the first rows of one output, as bytes."""
    spec = wanted(version, outputs.terms)[at]
    offsets = row_offsets(outputs.data[at], spec.datatype, outputs.shapes[at], outputs.rows)[: MOST_ROWS + 1]
    return [outputs.data[at][start:end] for start, end in pairwise(offsets)]
