"""Held-out applicants as requests and as tensors."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd
from erpml.annotations.v1 import annotations_pb2
from erpml.finance.v1 import credit_service_pb2 as credit

MODEL = "team3_credit_scoring"
TARGET = "SeriousDlqin2yrs"

# Request field -> model column, as the contract says.
COLUMNS = {
    field.name: field.GetOptions().Extensions[annotations_pb2.input].column
    for field in credit.ScoreCreditRequest.DESCRIPTOR.fields
    if field.GetOptions().HasExtension(annotations_pb2.input)
}
FEATURES = list(COLUMNS.values())
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


def requests_of(applicants: pd.DataFrame) -> Iterator[credit.ScoreCreditRequest]:
    """Yields a request for each applicant; what is not known is left out."""
    integers = {field.name for field in credit.ScoreCreditRequest.DESCRIPTOR.fields if field.type == field.TYPE_INT32}
    for number, row in enumerate(applicants[FEATURES].to_dict("records")):
        known = {name: row[column] for name, column in COLUMNS.items() if not math.isnan(row[column])}
        values: dict[str, Any] = {name: int(value) if name in integers else value for name, value in known.items()}
        yield credit.ScoreCreditRequest(customer_id=f"C-{number}", **values)
