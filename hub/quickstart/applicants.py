"""Held-out applicants as requests."""

from dataclasses import dataclass

import pandas as pd
from erpml.finance.v1 import credit_service_pb2

from hub.quickstart.requests import fill
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

    def by_id(self) -> "Applicant":
        """Returns the applicant with a request that says who it is, and nothing else."""
        return Applicant(credit_service_pb2.ScoreCreditRequest(customer_id=self.request.customer_id), self.defaulted)


def read_requests(held_out: pd.DataFrame) -> list[Applicant]:
    """Returns an applicant per row, in order."""
    return [
        Applicant(
            fill(credit_service_pb2.ScoreCreditRequest(customer_id=f"applicant-{int(row[ID])}"), row), bool(row[TARGET])
        )
        for row in held_out.to_dict(orient="records")
    ]


def pick_mixed(applicants: list[Applicant], each: int) -> list[Applicant]:
    """Returns the first few who paid and the first few who did not, in their order."""
    paid = [applicant for applicant in applicants if not applicant.defaulted][:each]
    defaulted = [applicant for applicant in applicants if applicant.defaulted][:each]
    return [applicant for pair in zip(paid, defaulted, strict=True) for applicant in pair]
