"""Scores one credit applicant over a running gateway: `make run`, then `python examples/score_applicant.py`."""

import os
from pathlib import Path

import gapura_client
from erpml.finance.v1 import credit_service_pb2 as credit
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub

key_file = Path("var/api-key")  # written by `make run`
api_key = os.environ.get("GAPURA_API_KEY") or (key_file.read_text().strip() if key_file.exists() else None)
request = credit.ScoreCreditRequest(
    customer_id="C-1",
    revolving_utilization=0.77,
    age_years=45,
    times_past_due_30_59_days=2,
    debt_ratio=0.8,
    monthly_income=9120,
    open_credit_lines=13,
    times_past_due_90_days=0,
    real_estate_loans=6,
    times_past_due_60_89_days=0,
)
with gapura_client.connect(os.environ.get("GAPURA_TARGET", "127.0.0.1:9003"), api_key=api_key) as channel:
    try:
        answer = CreditServiceStub(channel).ScoreCredit(request)
    except gapura_client.Unavailable as error:
        raise SystemExit(f"{error}\nStart a gateway first: make run") from error
    except gapura_client.GapuraError as error:
        raise SystemExit(str(error)) from error
    risk = credit.RiskCategory.Name(answer.risk_category)
    print(
        f"probability of default {answer.default_probability:.3f}, {risk}, limit {answer.credit_limit_minor / 100:.2f}"
    )
