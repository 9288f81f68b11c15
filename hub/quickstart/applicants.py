"""Held-out applicants as requests: a missing value is a field that is not set."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
from erpml.annotations.v1 import annotations_pb2
from erpml.finance.v1 import credit_service_pb2

from hub.training.applicants import ID, TARGET


@dataclass(frozen=True, slots=True)
class Applicant:
    """An application and what became of it.

    Attributes:
        request: What a caller sends.
        defaulted: Whether the applicant fell seriously behind within two years.
    """

    request: credit_service_pb2.ScoreCreditRequest
    defaulted: bool


def read_requests(held_out: pd.DataFrame) -> list[Applicant]:
    """Returns an applicant per row, in order; the contract says which column feeds which field."""
    columns = dict(_columns())
    return [Applicant(_request(row, columns), bool(row[TARGET])) for row in held_out.to_dict(orient="records")]


def pick_mixed(applicants: list[Applicant], each: int) -> list[Applicant]:
    """Returns the first few who paid and the first few who did not, in their order."""
    paid = [applicant for applicant in applicants if not applicant.defaulted][:each]
    defaulted = [applicant for applicant in applicants if applicant.defaulted][:each]
    return [applicant for pair in zip(paid, defaulted, strict=True) for applicant in pair]


def _columns() -> Iterator[tuple[str, tuple[str, type[int] | type[float]]]]:
    for field in credit_service_pb2.ScoreCreditRequest.DESCRIPTOR.fields:
        column = field.GetOptions().Extensions[annotations_pb2.input].column
        if column:
            yield column, (field.name, int if field.cpp_type == field.CPPTYPE_INT32 else float)


def _request(
    row: Mapping[str, float], columns: Mapping[str, tuple[str, type[int] | type[float]]]
) -> credit_service_pb2.ScoreCreditRequest:
    request = credit_service_pb2.ScoreCreditRequest(customer_id=f"applicant-{int(row[ID])}")
    for column, (field, kind) in columns.items():
        if not math.isnan(row[column]):
            setattr(request, field, kind(row[column]))
    return request
