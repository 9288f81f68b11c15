"""Decisions of the finance team."""

from collections.abc import Callable, Mapping

from erpml.finance.v1.credit_service_pb2 import ScoreCreditRequest, ScoreCreditResponse
from erpml.finance.v1.fraud_service_pb2 import FraudRecommendation, ScoreTransactionRequest, ScoreTransactionResponse

from gateway.decisions.currencies import read_currency
from gateway.types import Policy

RISK_CATEGORIES = 3

# ISO 4217 currencies whose minor unit is not a hundredth -> minor units in one unit.
HUNDREDTHS = 100
MINOR_UNITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 1),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 1),
    **dict.fromkeys(("CLF", "UYW"), 10_000),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 1000),
}


def credit_limit(
    policy: Policy,
) -> Callable[[ScoreCreditRequest, ScoreCreditResponse], Mapping[str, object]]:
    """Recommends a limit: a multiple of monthly income that depends on the risk, rounded down to a step.

    Args:
        policy: `limit_income_multiple`, months of income for each risk category in rising order of risk; `limit_step`
            and `limit_maximum`, in units of the currency.

    Raises:
        KeyError: A value is missing.
        ValueError: A value does not make sense.

    The returned function raises InvalidFields when the currency is not a code.
    """
    multiples, (step,), (maximum,) = policy["limit_income_multiple"], policy["limit_step"], policy["limit_maximum"]
    if len(multiples) != RISK_CATEGORIES or min(multiples) < 0:
        raise ValueError(f"limit_income_multiple needs {RISK_CATEGORIES} values from 0, got {list(multiples)}")
    if step <= 0 or maximum < 0:
        raise ValueError(f"limit_step must be above 0 and limit_maximum from 0, got {step:g} and {maximum:g}")

    def recommend(request: ScoreCreditRequest, response: ScoreCreditResponse) -> Mapping[str, object]:
        currency = read_currency(request)
        limit = request.monthly_income * multiples[response.risk_category - 1]
        limit = min(maximum, limit)
        minor = round(limit // step * step * MINOR_UNITS.get(currency, HUNDREDTHS))
        return {"credit_limit_minor": minor, "currency_code": currency}

    return recommend


def fraud_recommendation(
    policy: Policy,
) -> Callable[[ScoreTransactionRequest, ScoreTransactionResponse], Mapping[str, object]]:
    """Recommends what to do with a transaction, by its score.

    Args:
        policy: `review_above` and `decline_above`, scores in [0, 1]; what is not above either is approved.

    Raises:
        KeyError: A value is missing.
        ValueError: A value does not make sense.

    The returned function raises InvalidFields when the currency is not a code.
    """
    (review,), (decline,) = policy["review_above"], policy["decline_above"]
    if not 0 <= review <= decline <= 1:
        raise ValueError(f"review_above and decline_above must rise within [0, 1], got {review:g} and {decline:g}")

    def recommend(request: ScoreTransactionRequest, response: ScoreTransactionResponse) -> Mapping[str, object]:
        read_currency(request)
        if response.fraud_score > decline:
            return {"recommendation": FraudRecommendation.FRAUD_RECOMMENDATION_DECLINE}
        if response.fraud_score > review:
            return {"recommendation": FraudRecommendation.FRAUD_RECOMMENDATION_REVIEW}
        return {"recommendation": FraudRecommendation.FRAUD_RECOMMENDATION_APPROVE}

    return recommend
