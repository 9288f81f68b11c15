"""What a shadow says is set beside what the champion said: scores, decisions and labels, row by row."""

import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.contracts.compilation import compile_methods
from gateway.contracts.descriptors import link
from gateway.edge.status import status_of
from gateway.errors import GatewayError, ModelFailed
from gateway.feature_views import Features
from gateway.interfaces import NOTHING_LEFT_OUT, Answered
from gateway.shadows.comparison import ITEMS_AT_ONCE, Comparison, Pair, compare
from gateway.tensors import element
from gateway.types import Arm, Model, ModelVersion, Tensors, TensorSpec, Terms
from tests.gateway.contract_source import REQUIRED, SCORE, compile_contract, fed
from tests.gateway.feature_contract import (
    BATCH,
    CUSTOMER,
    CUSTOMER_ONLY,
    NUMBERS,
    SINGLE,
    TEXT,
    TREND,
    features,
    lead,
    view,
)
from tests.gateway.models import version

Y = (TensorSpec("y", "FP32", (2,)),)
LEVEL = """
Level level = 2 [(erpml.annotations.v1.band) = { of: 'score' bounds: [0.5] }];
"""
ENUM = "enum Level { LEVEL_UNSPECIFIED = 0; LEVEL_LOW = 1; LEVEL_HIGH = 2; }"
LEADS = view("leads", *CUSTOMER)
ANN = features(LEADS, 7, 4000.0, "gold", 0.75, None, event_time_ms=5)


def source(fields: str, response: str) -> str:
    """Returns a service that scores leads, one or many."""
    return ENUM + lead(fields, response)


X = f"optional float x = 1 [{REQUIRED}, {fed('x', 'minimum: 0')}];"


class Rivals:
    """A contract with a champion and a shadow, and what either says.

    Args:
        folder: Where the contract is written.
        fields: Of a request.
        response: Fields of a response.
        inputs: Of both versions.
    """

    def __init__(self, folder: Path, fields: str = X, response: str = SCORE + LEVEL, *inputs: TensorSpec) -> None:
        served = version(inputs or (TensorSpec("x", "FP32", (1,)),), Y, max_batch_size=512)
        rival = replace(served, number=2)
        self.champion, self.shadow = Arm("champion", served), Arm("rival", rival)
        model = Model(served.model, {1: served, 2: rival}, (self.champion,), {})
        methods = link({"team5": compile_contract(folder, source(fields, response))}).methods
        own = [each for each in methods if "team5" in each.service]
        found = compile_methods(own, {model.name: model}, {LEADS.name: LEADS}, {}, status_of)
        self.single: Any = found.methods[SINGLE]
        self.batch: Any = found.methods[BATCH]

    def ask(self, method: Any, message: Any, given: list[Features], *scores: float) -> tuple[Any, Answered]:
        """Lets the champion answer a request with scores; returns the request after that, and what it said."""
        request = method.parse(message.SerializeToString())
        method.lookups(request, self.champion)
        inputs, left_out = method.rows(request, self.champion, given)
        outputs = said(*scores)
        return request, Answered(inputs, left_out, outputs, method.answer(request, left_out, outputs, self.champion))

    def compare(
        self, method: Any, message: Any, champions: list[float], shadows: list[float], *given: Features
    ) -> Comparison:
        """Compares what champion and shadow say."""
        request, asked = self.ask(method, message, list(given), *champions)
        before = asked.answer
        pair = Pair(request, self.champion, asked, given, self.shadow, said(*shadows))
        found = total(method, pair)
        assert asked.answer == before
        return found


def said(*scores: float) -> Tensors:
    """Returns outputs of two floats a row, the latter of which is the score."""
    return Tensors(len(scores), ((2,),), (b"".join(struct.pack("<2f", 0.0, score) for score in scores),))


def total(method: Any, pair: Pair) -> Comparison:
    """Adds up what the steps of a comparison find."""
    steps = list(compare(method, pair))
    shifts = [shift for step in steps for shift in step.shifts]
    return Comparison(shifts, sum(step.same for step in steps), sum(step.other for step in steps))


@pytest.fixture
def rivals(tmp_path: Path) -> Rivals:
    """Returns a contract of one number and a level."""
    return Rivals(tmp_path)


@pytest.mark.parametrize(
    ("champions", "shadows", "decision"), [(0.25, 0.375, (1, 0)), (0.25, 0.75, (0, 1)), (0.75, 0.25, (0, 1))]
)
def test_a_decision_is_the_same_as_long_as_the_score_stays_in_its_band(
    rivals: Rivals, champions: float, shadows: float, decision: tuple[int, int]
) -> None:
    found = rivals.compare(rivals.single, rivals.single.request(x=1), [champions], [shadows])
    assert found == ([shadows - champions], *decision)


def test_every_item_of_a_batch_is_compared(rivals: Rivals) -> None:
    items = [rivals.single.request(x=1) for _ in range(3 * ITEMS_AT_ONCE + 1)]
    champions = [0.25] * len(items)
    shadows = [0.75 if at % 5 == 0 else 0.125 for at in range(len(items))]
    found = rivals.compare(rivals.batch, rivals.batch.request(items=items), champions, shadows)
    assert found.shifts == [0.5 if at % 5 == 0 else -0.125 for at in range(len(items))]
    assert (found.same, found.other) == (20, 5)


def test_items_that_were_left_out_are_not_compared_and_others_keep_their_rows(rivals: Rivals) -> None:
    values = [1.0 if at % 3 else -1.0 for at in range(20)]
    items = [rivals.single.request(x=value) for value in values]
    shadows = [0.75 if at == 9 else 0.25 for at in range(13)]
    found = rivals.compare(rivals.batch, rivals.batch.request(items=items), [0.25] * 13, shadows)
    assert (found.same, found.other) == (12, 1)
    assert len(found.shifts) == 13


def test_an_item_that_the_shadow_alone_refuses_is_decided_otherwise(rivals: Rivals) -> None:
    items = [rivals.single.request(x=1) for _ in range(2)]
    found = rivals.compare(rivals.batch, rivals.batch.request(items=items), [0.25, 0.25], [0.25, float("nan")])
    assert found == ([], 1, 1)


def test_a_batch_is_compared_a_few_items_at_a_time(rivals: Rivals) -> None:
    items = [rivals.single.request(x=1) for _ in range(512)]
    request, asked = rivals.ask(rivals.batch, rivals.batch.request(items=items), [], *[0.25] * 512)
    steps = list(compare(rivals.batch, Pair(request, rivals.champion, asked, (), rivals.shadow, said(*[0.25] * 512))))
    assert sum(step.same for step in steps) == 256
    assert {step.same for step in steps} == {0, ITEMS_AT_ONCE}


def test_a_score_that_is_no_number_fails_the_shadow(rivals: Rivals) -> None:
    with pytest.raises(ModelFailed, match="version 2 answered NaN"):
        rivals.compare(rivals.single, rivals.single.request(x=1), [0.25], [float("nan")])


def test_a_response_without_decisions_has_none_to_compare(tmp_path: Path) -> None:
    rivals = Rivals(tmp_path, X, SCORE)
    assert rivals.compare(rivals.single, rivals.single.request(x=1), [0.25], [0.75]) == ([0.5], 0, 0)


def test_decisions_on_stored_features_are_compared_by_what_the_champion_saw(tmp_path: Path) -> None:
    rivals = Rivals(tmp_path, CUSTOMER_ONLY, SCORE + LEVEL, NUMBERS, TEXT, TREND)
    message = rivals.single.request(customer_id="ann")
    assert rivals.compare(rivals.single, message, [0.25], [0.75], ANN) == ([0.5], 0, 1)
    batch = rivals.batch.request(items=[message, message])
    assert rivals.compare(rivals.batch, batch, [0.25, 0.25], [0.25, 0.75], ANN, ANN) == ([0.0, 0.5], 1, 1)


def test_a_shadow_on_stored_features_is_named_if_it_fails(tmp_path: Path) -> None:
    rivals = Rivals(tmp_path, CUSTOMER_ONLY, SCORE + LEVEL, NUMBERS, TEXT, TREND)
    with pytest.raises(ModelFailed, match="version 2 answered NaN"):
        rivals.compare(rivals.single, rivals.single.request(customer_id="ann"), [0.25], [float("nan")], ANN)


def test_several_shadows_are_compared_one_after_the_other_by_the_same_request(tmp_path: Path) -> None:
    rivals = Rivals(tmp_path, CUSTOMER_ONLY, SCORE + LEVEL, NUMBERS, TEXT, TREND)
    request, asked = rivals.ask(rivals.single, rivals.single.request(customer_id="ann"), [ANN], 0.25)
    for arm, score, decision in ((rivals.shadow, 0.75, (0, 1)), (rivals.champion, 0.25, (1, 0))):
        found = total(rivals.single, Pair(request, rivals.champion, asked, (ANN,), arm, said(score)))
        assert (found.same, found.other) == decision


def label_pair(
    served: ModelVersion, champions: Tensors, shadows: Tensors, left_out: Mapping[int, GatewayError] = NOTHING_LEFT_OUT
) -> Pair:
    """Returns two answers in tensors."""
    asked = Answered(champions, left_out, champions, b"")
    return Pair(None, Arm("champion", served), asked, (), Arm("rival", served), shadows)


def test_labels_in_tensors_are_compared_and_scores_beside_them() -> None:
    served = version(
        outputs=(TensorSpec("label", "INT64", (1,)), TensorSpec("name", "BYTES", (1,)), TensorSpec("p", "FP32", (2,)))
    )
    shapes = ((1,), (1,), (2,))

    def outputs(labels: list[int], names: list[bytes], *scores: float) -> Tensors:
        numbers = b"".join(struct.pack("<q", label) for label in labels)
        return Tensors(3, shapes, (numbers, b"".join(map(element, names)), said(*scores).data[0]))

    champions = outputs([0, 1, 1], [b"low", b"high", b"high"], 0.25, 0.5, 0.75)
    shadows = outputs([0, 0, 1], [b"low", b"lowest", b"highest"], 0.25, 0.25, 1.0)
    assert total(None, label_pair(served, champions, shadows)) == ([0.0, -0.25, 0.25], 1, 2)
    assert total(None, label_pair(served, champions, champions)) == ([0.0] * 3, 3, 0)


def test_outputs_that_were_not_wanted_are_not_compared() -> None:
    served = version(outputs=(TensorSpec("label", "INT64", (1,)), TensorSpec("p", "FP32", (2,))))
    scores = said(0.5)._replace(terms=Terms((1,)))
    assert total(None, label_pair(served, scores, scores)) == ([0.0], 0, 0)
    labels = Tensors(1, ((1,),), (bytes(8),), Terms((0,)))
    assert total(None, label_pair(served, labels, labels)) == ([], 1, 0)


def test_labels_of_other_shapes_are_others() -> None:
    served = version(outputs=(TensorSpec("found", "INT32", (-1,)),))
    champions, shadows = Tensors(2, ((2,),), (bytes(16),)), Tensors(2, ((3,),), (bytes(24),))
    assert total(None, label_pair(served, champions, shadows)) == ([], 0, 2)


def test_only_the_first_rows_of_a_large_call_are_compared() -> None:
    served = version(outputs=(TensorSpec("label", "UINT8", (1,)),), max_batch_size=4096)
    champions, shadows = (Tensors(4096, ((1,),), (bytes([value]) * 4096,)) for value in (1, 2))
    assert total(None, label_pair(served, champions, shadows)) == ([], 0, 256)
