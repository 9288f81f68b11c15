"""What annotations cannot say: one pure function per method that needs it, named here."""

from collections.abc import Mapping

from gateway.decisions.finance import credit_limit, fraud_recommendation
from gateway.interfaces import Decision

DECISIONS: Mapping[str, Decision] = {
    "erpml.finance.v1.CreditService.ScoreCredit": Decision(credit_limit, ("credit_limit_minor", "currency_code")),
    "erpml.finance.v1.FraudService.ScoreTransaction": Decision(fraud_recommendation, ("recommendation",)),
}
