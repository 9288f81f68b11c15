"""Held-out applicants as requests and as tensors."""

from typing import Any

import pandas as pd
from erpml.annotations.v1 import annotations_pb2
from erpml.finance.v1 import credit_service_pb2 as credit

from hub.quickstart.applicants import read_requests

FEATURES = [
    column
    for field in credit.ScoreCreditRequest.DESCRIPTOR.fields
    if (column := field.GetOptions().Extensions[annotations_pb2.input].column)
]
GOOD = credit.ScoreCreditRequest(
    customer_id="C-1",
    revolving_utilization=0.5,
    age_years=45,
    times_past_due_30_59_days=0,
    debt_ratio=0.25,
    monthly_income=4000.0,
    open_credit_lines=6,
    times_past_due_90_days=0,
    real_estate_loans=1,
    times_past_due_60_89_days=0,
    dependents=2,
)


def changed(**fields: Any) -> credit.ScoreCreditRequest:
    """Returns the good request with some fields changed; None leaves a field out."""
    kept = {field.name: value for field, value in GOOD.ListFields()}
    return credit.ScoreCreditRequest(**{name: value for name, value in (kept | fields).items() if value is not None})


def requests_of(applicants: pd.DataFrame) -> list[credit.ScoreCreditRequest]:
    """Returns a request for each applicant; what is not known is left out."""
    return [applicant.request for applicant in read_requests(applicants)]
