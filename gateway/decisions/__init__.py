"""What annotations cannot say: a few pure functions for each method that needs them, named here."""

from collections.abc import Mapping

from gateway.decisions.crm import sentiment_summary
from gateway.decisions.finance import credit_limit, fraud_recommendation
from gateway.decisions.online_sales import best_price, price_grid
from gateway.decisions.sales_mobile import personalization
from gateway.interfaces import Decision

DECISIONS: Mapping[str, Decision] = {
    "erpml.crm.v1.SentimentService.AnalyzeSentiment": Decision(sentiment_summary, ("overall", "trend", "actions")),
    "erpml.finance.v1.CreditService.ScoreCredit": Decision(credit_limit, ("credit_limit_minor", "currency_code")),
    "erpml.finance.v1.FraudService.ScoreTransaction": Decision(fraud_recommendation, ("recommendation",)),
    "erpml.online_sales.v1.PricingService.OptimizePrice": Decision(
        best_price,
        (
            "current_price_minor",
            "optimal_price_minor",
            "change_percent",
            "expected_demand",
            "expected_sales",
            "expected_profit_minor",
            "expected_impact",
            "currency_code",
        ),
        price_grid,
    ),
    "erpml.sales_mobile.v1.RecommendationService.RecommendProducts": Decision(personalization, ("personalized",)),
}
