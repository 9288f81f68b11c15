"""The same applicants asked in every way: typed, typed in batches, raw, and as JSON."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from erpml.finance.v1 import credit_service_pb2
from google.protobuf.message import Message
from numpy.typing import NDArray

from benchmarks.measuring.framing import frame
from benchmarks.measuring.questions import TOLERANCE, Question
from benchmarks.typed.credit import NAME, Credit, fields_of

SCORE = "/erpml.finance.v1.CreditService/ScoreCredit"
BATCH = "/erpml.finance.v1.CreditService/BatchScoreCredit"
REST = "/api/ml/credit-scoring"
Read = Callable[[bytes], list[float]]


class ScoreQuestion:
    """One call in the contract's terms.

    Args:
        body: What is sent.
        read: Finds the probabilities of default in an answer.
        scores: What they have to be.

    Attributes:
        body: What is sent.
    """

    def __init__(self, body: bytes, read: Read, scores: list[float]) -> None:
        self.body = body
        self._read = read
        self._scores = scores

    def problem(self, message: bytes) -> str:
        """Says what is wrong with an answer, if anything."""
        found = self._read(message)
        if len(found) != len(self._scores) or not np.allclose(found, self._scores, rtol=0, atol=TOLERANCE):
            return f"the probabilities are {found[:3]}, not {self._scores[:3]}"
        return ""


def typed_questions(credit: Credit) -> tuple[ScoreQuestion, ...]:
    """Returns a typed call for each applicant."""
    requests = requests_of(credit)
    return tuple(
        ScoreQuestion(framed(request), read_score, scores)
        for request, scores in zip(requests, scores_of(credit, 1), strict=True)
    )


def batch_questions(credit: Credit, size: int) -> tuple[ScoreQuestion, ...]:
    """Returns typed calls of several applicants each."""
    requests = requests_of(credit)
    parts = [requests[start : start + size] for start in range(0, len(requests), size)]
    return tuple(
        ScoreQuestion(framed(credit_service_pb2.BatchScoreCreditRequest(requests=part)), read_batch, scores)
        for part, scores in zip(parts, scores_of(credit, size), strict=True)
    )


def rest_questions(credit: Credit) -> tuple[ScoreQuestion, ...]:
    """Returns a call in JSON for each applicant."""
    return tuple(
        ScoreQuestion(json.dumps(fields_of(number, applicant)).encode(), read_json, scores)
        for number, (applicant, scores) in enumerate(zip(credit.applicants, scores_of(credit, 1), strict=True))
    )


def raw_questions(credit: Credit, size: int) -> tuple[Question, ...]:
    """Returns KServe calls of several applicants each."""
    answers: dict[str, NDArray[Any]] = {"label": credit.labels, "probabilities": credit.scores}
    return tuple(
        Question(NAME, credit.applicants[part], {name: answer[part] for name, answer in answers.items()})
        for part in (slice(start, start + size) for start in range(0, len(credit.applicants), size))
    )


def requests_of(credit: Credit) -> list[credit_service_pb2.ScoreCreditRequest]:
    """Returns the typed request of each applicant."""
    fields: list[dict[str, Any]] = [fields_of(number, each) for number, each in enumerate(credit.applicants)]
    return [credit_service_pb2.ScoreCreditRequest(**each) for each in fields]


def scores_of(credit: Credit, size: int) -> list[list[float]]:
    """Returns the probabilities of default, so many together."""
    scores = credit.scores[:, 1].tolist()
    return [scores[start : start + size] for start in range(0, len(scores), size)]


def framed(message: Message) -> bytes:
    """Returns a message as it is sent."""
    return frame(message.SerializeToString())


def read_score(message: bytes) -> list[float]:
    """Reads a typed answer."""
    return [credit_service_pb2.ScoreCreditResponse.FromString(message).default_probability]


def read_batch(message: bytes) -> list[float]:
    """Reads a typed answer of several results; a failed one has no probability, which is 0."""
    response = credit_service_pb2.BatchScoreCreditResponse.FromString(message)
    return [result.response.default_probability for result in response.results]


def read_json(message: bytes) -> list[float]:
    """Reads an answer in JSON."""
    return [float(json.loads(message)["default_probability"])]
