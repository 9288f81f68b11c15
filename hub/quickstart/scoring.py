"""Scores applicants through the typed service, as any ERP service would."""

from collections.abc import Iterable, Iterator, Sequence

import grpc
from erpml.finance.v1 import credit_service_pb2, credit_service_pb2_grpc
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
    scores = list(_score_in_batches(channel, applicants))
    return float(roc_auc_score([applicant.defaulted for applicant in applicants], scores))


def _score_in_batches(channel: grpc.Channel, applicants: Sequence[Applicant]) -> Iterator[float]:
    stub = credit_service_pb2_grpc.CreditServiceStub(channel)
    for start in range(0, len(applicants), _BATCH):
        requests = [applicant.request for applicant in applicants[start : start + _BATCH]]
        try:
            answer = stub.BatchScoreCredit(credit_service_pb2.BatchScoreCreditRequest(requests=requests))
        except grpc.RpcError as error:
            raise HubError(f"a batch call failed: {error}") from error
        for request, result in zip(requests, answer.results, strict=True):
            if result.HasField("error"):
                raise HubError(f"{request.customer_id} could not be scored: {result.error.message}")
            yield result.response.default_probability
