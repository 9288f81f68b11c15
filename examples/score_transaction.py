"""Scores one card transaction over a running gateway: `make run`, then `python examples/score_transaction.py`."""

import os
from pathlib import Path

import gapura_client
from erpml.finance.v1 import fraud_service_pb2 as fraud
from erpml.finance.v1.fraud_service_pb2_grpc import FraudServiceStub

key_file = Path("var/api-key")  # written by `make run`
api_key = os.environ.get("GAPURA_API_KEY") or (key_file.read_text().strip() if key_file.exists() else None)
request = fraud.ScoreTransactionRequest(  # what both did before is looked up by their ids
    customer_id="customer-22729",
    merchant_id="merchant-6782",
    amount_minor=45_000,
    currency_code="USD",
    hour_of_day=3,
    card_present=False,
)
with gapura_client.connect(os.environ.get("GAPURA_TARGET", "127.0.0.1:9003"), api_key=api_key) as channel:
    try:
        answer = FraudServiceStub(channel).ScoreTransaction(request)
    except gapura_client.Unavailable as error:
        raise SystemExit(f"{error}\nStart a gateway first: make run") from error
    except gapura_client.GapuraError as error:
        raise SystemExit(str(error)) from error
    risk = fraud.FraudRiskLevel.Name(answer.risk_level)
    print(f"fraud {answer.fraud_score:.3f}, {risk}, {fraud.FraudRecommendation.Name(answer.recommendation)}")
    for factor in answer.factors:
        print(f"  {factor.feature:<32} {factor.contribution:+.2f} log-odds")
