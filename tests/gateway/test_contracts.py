"""Compiled contracts: annotations become rows and answers, and what does not fit is refused with the reason."""

import struct
from collections.abc import Mapping
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import pytest
from erpml.finance.v1 import credit_service_pb2 as credit
from google.rpc import status_pb2

from gateway.contracts.compilation import Compiled, compile_methods
from gateway.contracts.descriptors import link
from gateway.decisions import DECISIONS
from gateway.edge.status import status_of
from gateway.errors import GatewayError, InvalidFields, InvalidRequest, ModelFailed
from gateway.feature_views import NO_FEATURES, Features, FeatureStatus
from gateway.types import Tensors, TensorSpec, Terms
from tests.gateway.contract_source import REQUIRED, SCORE, bound, fed, service
from tests.gateway.models import credit_model, credit_views, live, version

SINGLE = "/erpml.finance.v1.CreditService/ScoreCredit"
BATCH = "/erpml.finance.v1.CreditService/BatchScoreCredit"
COMPLETE: dict[str, Any] = {
    "customer_id": "C-1",
    "revolving_utilization": 0.5,
    "age_years": 45,
    "times_past_due_30_59_days": 0,
    "debt_ratio": 0.25,
    "monthly_income": 4000.0,
    "open_credit_lines": 6,
    "times_past_due_90_days": 0,
    "real_estate_loans": 1,
    "times_past_due_60_89_days": 0,
    "dependents": 2,
}
UNKNOWN = Features((None,) * 10, (None,) * 10, FeatureStatus.DEFAULT)
PROBABILITIES = Terms((1,))
ROW = (0.5, 45, 0, 0.25, 4000, 6, 0, 1, 0, 2)


def compiled(policy: dict[str, tuple[float, ...]] | None = None) -> Compiled:
    """Compiles the built-in contracts for the credit model."""
    model = credit_model(policy)
    return compile_methods(link({}).methods, {model.name: model}, credit_views(), DECISIONS, status_of)


def scored(*probabilities: float) -> Tensors:
    """Returns the outputs of the credit model that its methods read, one row for each probability of default."""
    floats = b"".join(struct.pack("<2f", 1 - probability, probability) for probability in probabilities)
    return Tensors(len(probabilities), ((2,),), (floats,), PROBABILITIES)


def asked(method: Any, message: Any, features: Features = UNKNOWN) -> tuple[Any, Tensors, Mapping[int, GatewayError]]:
    """Returns a request with its inputs, what was left out, and these features for each customer that it looks up."""
    arm = credit_model().arms[0]
    request = method.parse(message.SerializeToString())
    wanted = method.lookups(request, arm)
    return request, *method.rows(request, arm, [features if lookup else NO_FEATURES for lookup in wanted])


def row_of(features: Features = UNKNOWN, **changes: Any) -> tuple[float, ...]:
    """Returns the row of a complete request with some fields changed; None leaves a field out."""
    fields = {name: value for name, value in {**COMPLETE, **changes}.items() if value is not None}
    _, inputs, _ = asked(compiled().methods[SINGLE], credit.ScoreCreditRequest(**fields), features)
    return struct.unpack("<10d", inputs.data[0])


def answer_to(
    probability: float, policy: dict[str, tuple[float, ...]] | None = None, **changes: Any
) -> credit.ScoreCreditResponse:
    """Returns the answer to a complete request for a model output."""
    method, arm = compiled(policy).methods[SINGLE], credit_model().arms[0]
    request, _, _ = asked(method, credit.ScoreCreditRequest(**{**COMPLETE, **changes}))
    return credit.ScoreCreditResponse.FromString(method.answer(request, {}, scored(probability), arm))


def test_a_request_becomes_one_row_in_the_order_of_the_signature() -> None:
    assert row_of() == ROW


def test_a_model_is_asked_only_for_the_outputs_that_a_method_reads() -> None:
    item = credit.ScoreCreditRequest(**COMPLETE)
    messages = {SINGLE: item, BATCH: credit.BatchScoreCreditRequest(requests=[item, item])}
    for path, message in messages.items():
        _, inputs, _ = asked(compiled().methods[path], message)
        assert inputs.terms == PROBABILITIES


def test_what_nobody_knows_is_not_a_number_and_a_zero_is_a_zero() -> None:
    assert isnan(row_of(monthly_income=None)[4])
    assert row_of(monthly_income=0.0)[4] == 0


def test_a_customer_id_alone_makes_the_row_of_what_is_stored_and_what_is_said_wins() -> None:
    left_out: dict[str, Any] = dict.fromkeys(set(COMPLETE) - {"customer_id"})
    stored = Features(ROW, ROW, FeatureStatus.FRESH)
    assert row_of(stored, **left_out) == ROW
    assert row_of(stored, **{**left_out, "age_years": 0}) == (*ROW[:1], 0, *ROW[2:])


def test_a_limit_is_a_multiple_of_the_stored_income() -> None:
    method, arm = compiled().methods[SINGLE], credit_model().arms[0]
    stored = Features(ROW, ROW, FeatureStatus.FRESH)
    request, _, _ = asked(method, credit.ScoreCreditRequest(customer_id="C-1"), stored)
    answer = credit.ScoreCreditResponse.FromString(method.answer(request, {}, scored(0.125), arm, [stored]))
    assert answer.credit_limit_minor == 400_000
    assert FeatureStatus(answer.prediction.feature_status) is FeatureStatus.FRESH


@pytest.mark.parametrize(
    ("field", "value", "need"),
    [
        ("customer_id", None, "is required"),
        ("debt_ratio", nan, "must be a finite number, got nan; leave it out if it is unknown"),
        ("debt_ratio", inf, "must be a finite number, got inf; leave it out if it is unknown"),
        ("monthly_income", -inf, "must be a finite number, got -inf; leave it out if it is unknown"),
        ("age_years", -1, "must be at least 0 and at most 150, got -1"),
        ("age_years", 151, "must be at least 0 and at most 150, got 151"),
        ("monthly_income", -0.5, "must be at least 0, got -0.5"),
    ],
)
def test_a_bad_field_is_named_with_what_it_needs(field: str, value: float | None, need: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        row_of(UNKNOWN, **{field: value})
    assert refused.value.violations == ((field, need),)


def test_all_bad_fields_of_a_request_are_named_at_once() -> None:
    with pytest.raises(InvalidFields) as refused:
        row_of(debt_ratio=nan, age_years=None, dependents=-1, customer_id=None)
    assert [field for field, _ in refused.value.violations] == ["customer_id", "debt_ratio", "dependents"]


def test_bytes_that_are_no_request_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"not a erpml\.finance\.v1\.ScoreCreditRequest"):
        compiled().methods[SINGLE].parse(b"\xff\xff")


def test_an_answer_says_score_band_limit_and_who_answered() -> None:
    answer = answer_to(0.125)
    assert answer.default_probability == 0.125
    assert answer.risk_category == credit.RISK_CATEGORY_MEDIUM
    assert (answer.credit_limit_minor, answer.currency_code) == (400_000, "USD")
    info = answer.prediction
    assert (info.model, info.version, info.arm) == ("team3_credit_scoring", 1, "champion")


def test_a_model_that_answers_no_number_gives_no_decision() -> None:
    """NaN compares with no bound; it must not fall into the band of the lowest risk."""
    with pytest.raises(ModelFailed, match="answered NaN"):
        answer_to(nan)


def test_every_answer_has_an_id_of_its_own() -> None:
    assert answer_to(0.1).prediction.prediction_id != answer_to(0.1).prediction.prediction_id


@pytest.mark.parametrize(("probability", "category"), [(0.0, 1), (0.25, 1), (0.2500001, 2), (0.5, 2), (0.75, 3)])
def test_a_score_on_a_bound_stays_in_the_lower_band_and_policy_replaces_the_bounds(
    probability: float, category: int
) -> None:
    assert answer_to(probability, {"risk_category": (0.25, 0.5)}).risk_category == category


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({"risk_category": (0.5, 0.25)}, "must rise"),
        ({"risk_category": (0.5,)}, "needs an enum of 2 values"),
        ({"limit_income_multiple": (1.0,)}, "needs 3 values"),
        ({"limit_step": (0.0,)}, "limit_step must be above 0"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused_when_the_catalog_is_read(
    policy: dict[str, tuple[float, ...]], problem: str
) -> None:
    assert problem in compiled(policy).refused[SINGLE].message


def test_a_batch_answers_in_order_and_a_bad_item_fails_alone() -> None:
    method, arm = compiled().methods[BATCH], credit_model().arms[0]
    items = [
        COMPLETE,
        {**COMPLETE, "debt_ratio": nan},
        {**COMPLETE, "monthly_income": 100.0},
        {**COMPLETE, "currency_code": "euro"},
        COMPLETE,
    ]
    message = credit.BatchScoreCreditRequest(requests=[credit.ScoreCreditRequest(**item) for item in items])
    request, inputs, left_out = asked(method, message)
    assert (inputs.rows, list(left_out)) == (4, [1])
    results = credit.BatchScoreCreditResponse.FromString(
        method.answer(request, left_out, scored(0.5, 0.01, 0.1, nan), arm)
    ).results
    assert [result.WhichOneof("result") for result in results] == [
        "response",
        "error",
        "response",
        "error",
        "error",
    ]
    assert [results[0].response.default_probability, results[2].response.credit_limit_minor] == [0.5, 30_000]
    assert results[1].error.code == 3
    assert "currency_code" in results[3].error.message
    assert "answered NaN" in results[4].error.message


@pytest.mark.parametrize(("items", "reason"), [(0, "INVALID_FIELD"), (513, "BATCH_TOO_LARGE")])
def test_a_batch_has_1_to_512_items(items: int, reason: str) -> None:
    method = compiled().methods[BATCH]
    message = credit.BatchScoreCreditRequest(requests=[credit.ScoreCreditRequest()] * items)
    with pytest.raises(InvalidRequest) as refused:
        asked(method, message)
    assert refused.value.reason == reason


def test_a_method_whose_model_is_not_live_is_set_aside() -> None:
    refused = compile_methods(link({}).methods, {}, {}, DECISIONS, status_of).refused
    assert "publish it" in refused[SINGLE].message
    assert refused[SINGLE].metadata == {"model": "team3_credit_scoring"}


def test_a_new_team_needs_a_proto_and_a_model_and_no_code(tmp_path: Path) -> None:
    """Several tensors, integers, texts and truth values, by annotations alone."""
    served = version(
        (
            TensorSpec("numbers", "INT32", (2,), ("visits", "calls")),
            TensorSpec("name", "BYTES", (1,)),
            TensorSpec("known", "BOOL", (1,)),
            TensorSpec("spend", "FP32", (1,)),
        ),
    )
    body = service(
        f"""
        optional int32 calls = 1 [{REQUIRED}, {fed("calls")}];
        int64 visits = 2 [{fed("visits")}];
        string name = 3 [{fed("name")}];
        bool known = 4 [{fed("known")}];
        optional double spend = 5 [{fed("spend")}];
        """,
        SCORE + "Level level = 2 [(erpml.annotations.v1.band) = { of: 'score' bounds: [0.5] }];",
    )
    method = bound(tmp_path, body, served)
    request = method.request(calls=3, visits=4, name="Özge", known=True)
    inputs, left_out = method.rows(request, live(served).arms[0])
    numbers, name, known, spend = inputs.data
    assert (struct.unpack("<2i", numbers), known, name) == ((4, 3), b"\x01", b"\x05\x00\x00\x00" + "Özge".encode())
    assert isnan(struct.unpack("<f", spend)[0])
    answer = method.answer(
        request, left_out, Tensors(1, ((2,),), (struct.pack("<2f", 0.25, 0.75),)), live(served).arms[0]
    )
    assert b"team9_test" in answer
    with pytest.raises(InvalidFields, match="calls: is required"):
        method.rows(method.request(visits=4), live(served).arms[0])
    with pytest.raises(InvalidFields, match="visits: must be at most 2147483647, got 4294967296"):
        method.rows(method.request(calls=1, visits=2**32), live(served).arms[0])


def test_the_status_of_an_error_can_be_read_back() -> None:
    status = status_pb2.Status.FromString(status_of(InvalidFields([("age", "is required")])))
    assert (status.code, len(status.details)) == (3, 2)
