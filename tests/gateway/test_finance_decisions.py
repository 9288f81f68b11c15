"""Credit limits are multiples of income by risk; transactions are approved, reviewed or declined by their score."""

import math

import pytest
from erpml.finance.v1 import credit_service_pb2 as credit
from erpml.finance.v1 import fraud_service_pb2 as fraud

from gateway.decisions.finance import credit_limit, fraud_recommendation
from gateway.errors import InvalidFields
from gateway.types import Policy

POLICY: Policy = {"limit_income_multiple": (3.0, 1.0, 0.0), "limit_step": (100.0,), "limit_maximum": (50_000.0,)}

FRAUD_POLICY: Policy = {"review_above": (0.5,), "decline_above": (0.8,)}


def limit(income: float | None, category: int, currency: str = "", policy: Policy = POLICY) -> object:
    """Returns the recommended limit in minor units."""
    request = credit.ScoreCreditRequest(monthly_income=income, currency_code=currency)
    response = credit.ScoreCreditResponse(risk_category=credit.RiskCategory.ValueType(category))
    return credit_limit(policy)(request, response)["credit_limit_minor"]


@pytest.mark.parametrize(
    ("income", "category", "expected"),
    [
        (4_000.0, 1, 1_200_000),
        (4_000.0, 2, 400_000),
        (4_000.0, 3, 0),
        (4_099.99, 2, 400_000),
        (99.99, 2, 0),
        (0.0, 1, 0),
        (None, 1, 0),
        (1e300, 1, 5_000_000),
    ],
)
def test_a_limit_is_a_multiple_of_income_rounded_down_and_capped(
    income: float | None, category: int, expected: int
) -> None:
    assert limit(income, category) == expected


@pytest.mark.parametrize(("currency", "expected"), [("USD", 400_000), ("JPY", 4_000), ("KWD", 4_000_000)])
def test_a_limit_is_in_the_minor_unit_of_its_currency(currency: str, expected: int) -> None:
    assert limit(4_000.0, 2, currency) == expected


@pytest.mark.parametrize("currency", ["usd", "US", "EURO", "U$D", "ÄÄÄ"])
def test_what_is_no_currency_code_is_refused(currency: str) -> None:
    with pytest.raises(InvalidFields, match="currency_code: must be an ISO 4217 code such as USD"):
        limit(1.0, 1, currency)


@pytest.mark.parametrize(
    "change", [{"limit_maximum": (-1.0,)}, {"limit_step": (1.0, 2.0)}, {"limit_income_multiple": (-1.0, 1.0, 1.0)}]
)
def test_a_policy_that_makes_no_sense_is_refused(change: Policy) -> None:
    with pytest.raises(ValueError, match="limit_|unpack"):
        limit(1.0, 1, policy={**POLICY, **change})


def recommendation(score: float, currency: str = "", policy: Policy = FRAUD_POLICY) -> object:
    """Returns what is recommended for a transaction, without the prefix."""
    request = fraud.ScoreTransactionRequest(currency_code=currency)
    filled = fraud_recommendation(policy)(request, fraud.ScoreTransactionResponse(fraud_score=score))
    response = fraud.ScoreTransactionResponse(**filled)  # type: ignore[arg-type] # its fields are checked here
    return fraud.FraudRecommendation.Name(response.recommendation).removeprefix("FRAUD_RECOMMENDATION_")


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.0, "APPROVE"),
        (0.5, "APPROVE"),
        (math.nextafter(0.5, 1), "REVIEW"),
        (0.8, "REVIEW"),
        (math.nextafter(0.8, 1), "DECLINE"),
        (1.0, "DECLINE"),
    ],
)
def test_a_transaction_is_reviewed_or_declined_above_a_score(score: float, expected: str) -> None:
    assert recommendation(score) == expected


def test_scores_of_a_policy_take_the_place_of_the_contract_s() -> None:
    strict: Policy = {"review_above": (0.1,), "decline_above": (0.1,)}
    assert [recommendation(score, policy=strict) for score in (0.1, 0.11)] == ["APPROVE", "DECLINE"]


def test_thresholds_at_the_ends_review_or_decline_all_or_nothing() -> None:
    open_handed: Policy = {"review_above": (1.0,), "decline_above": (1.0,)}
    tight_fisted: Policy = {"review_above": (0.0,), "decline_above": (0.0,)}
    assert recommendation(1.0, policy=open_handed) == "APPROVE"
    assert [recommendation(score, policy=tight_fisted) for score in (0.0, 5e-324)] == ["APPROVE", "DECLINE"]


@pytest.mark.parametrize("currency", ["dollars", "usd", "€", "ÄÄÄ", "US\n", "X" * 1_000_000])
def test_a_transaction_in_no_currency_is_refused(currency: str) -> None:
    assert recommendation(0.0, "EUR") == "APPROVE"
    with pytest.raises(InvalidFields, match="currency_code: must be an ISO 4217 code such as USD"):
        recommendation(0.0, currency)


@pytest.mark.parametrize(
    "change",
    [{"review_above": (0.9,)}, {"review_above": (-0.1,)}, {"decline_above": (1.1,)}, {"review_above": (0.1, 0.2)}],
)
def test_a_fraud_policy_that_makes_no_sense_is_refused(change: Policy) -> None:
    with pytest.raises(ValueError, match="must rise|unpack"):
        recommendation(0.5, policy={**FRAUD_POLICY, **change})
