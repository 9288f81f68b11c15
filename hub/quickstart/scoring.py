"""Scores applicants and transactions through the typed services, as any ERP service would."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import grpc
from erpml.finance.v1 import credit_service_pb2, credit_service_pb2_grpc, fraud_service_pb2, fraud_service_pb2_grpc
from sklearn.metrics import roc_auc_score

from hub.errors import HubError
from hub.quickstart.applicants import Applicant

_BATCH = 512  # the contract's limit


def score_one_by_one(
    channel: grpc.Channel, applicants: Iterable[Applicant]
) -> list[credit_service_pb2.ScoreCreditResponse]:
    """Makes one call per applicant.

    Raises:
        HubError: A call failed.
    """
    stub = credit_service_pb2_grpc.CreditServiceStub(channel)
    try:
        return [stub.ScoreCredit(applicant.request) for applicant in applicants]
    except grpc.RpcError as error:
        raise HubError(f"a call failed: {error}") from error


def measure_auc(channel: grpc.Channel, applicants: Sequence[Applicant]) -> float:
    """Scores all applicants in batches; returns the area under the ROC curve against what became of them.

    Raises:
        HubError: A call failed, or an applicant could not be scored.
    """
    call = credit_service_pb2_grpc.CreditServiceStub(channel).BatchScoreCredit
    results = _score_in_batches(
        lambda requests: call(credit_service_pb2.BatchScoreCreditRequest(requests=requests)),
        [applicant.request for applicant in applicants],
    )
    scores = [result.default_probability for result in results]
    return float(roc_auc_score([applicant.defaulted for applicant in applicants], scores))


def measure_fraud_auc(
    channel: grpc.Channel, requests: Sequence[fraud_service_pb2.ScoreTransactionRequest], fraud: Sequence[bool]
) -> float:
    """Scores all transactions in batches; returns the area under the ROC curve against which of them were fraud.

    Raises:
        HubError: A call failed, or a transaction could not be scored.
    """
    call = fraud_service_pb2_grpc.FraudServiceStub(channel).BatchScoreTransaction
    results = _score_in_batches(
        lambda batch: call(fraud_service_pb2.BatchScoreTransactionRequest(requests=batch)), requests
    )
    return float(roc_auc_score(fraud, [result.fraud_score for result in results]))


def _score_in_batches(call: Callable[[Sequence[Any]], Any], requests: Sequence[Any]) -> Iterator[Any]:
    for start in range(0, len(requests), _BATCH):
        batch = requests[start : start + _BATCH]
        try:
            answer = call(batch)
        except grpc.RpcError as error:
            raise HubError(f"a batch call failed: {error}") from error
        for request, result in zip(batch, answer.results, strict=True):
            if result.HasField("error"):
                raise HubError(f"{request.customer_id} could not be scored: {result.error.message}")
            yield result.response
