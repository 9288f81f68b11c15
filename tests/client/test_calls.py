"""A channel gives each call its key and deadline, and every way to call has typed errors."""

import queue
from collections.abc import Iterator
from typing import Any

import gapura_client
import grpc
import pytest
from erpml.finance.v1.credit_service_pb2 import ScoreCreditRequest
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub

from tests.client.credit_server import CreditServer, Recorder, answer, listening, rich_status
from tests.client.statuses import invalid_fields


@pytest.fixture
def stub(server: CreditServer) -> Iterator[CreditServiceStub]:
    """A stub with a key and a deadline of 3 seconds."""
    with gapura_client.connect(server.target, api_key="key-1", timeout_seconds=3) as channel:
        yield CreditServiceStub(channel)


def test_key_travels_with_each_call(
    server: CreditServer, stub: CreditServiceStub, applicant: ScoreCreditRequest
) -> None:
    stub.ScoreCredit(applicant, metadata=(("x-request", "7"),))
    assert server.metadata[0]["x-api-key"] == "key-1"
    assert server.metadata[0]["x-request"] == "7"


def test_callers_own_key_wins(server: CreditServer, stub: CreditServiceStub, applicant: ScoreCreditRequest) -> None:
    stub.ScoreCredit(applicant, metadata=(("x-api-key", "key-2"),))
    assert server.metadata[0]["x-api-key"] == "key-2"


def test_no_key_sends_no_header(server: CreditServer, applicant: ScoreCreditRequest) -> None:
    with gapura_client.connect(server.target) as channel:
        CreditServiceStub(channel).ScoreCredit(applicant)
    assert "x-api-key" not in server.metadata[0]


def test_default_deadline_applies(server: CreditServer, stub: CreditServiceStub, applicant: ScoreCreditRequest) -> None:
    stub.ScoreCredit(applicant)
    assert 2 < server.seconds_left[0] < 4


def test_callers_own_deadline_wins(
    server: CreditServer, stub: CreditServiceStub, applicant: ScoreCreditRequest
) -> None:
    stub.ScoreCredit(applicant, timeout=9)
    assert 8 < server.seconds_left[0] < 10


def test_unavailable_is_tried_again(
    server: CreditServer, stub: CreditServiceStub, applicant: ScoreCreditRequest
) -> None:
    """Scoring is idempotent: a call that one replica refuses goes out again."""
    server.fail(rich_status(grpc.StatusCode.UNAVAILABLE, "draining"), answer)
    assert stub.ScoreCredit(applicant).credit_limit_minor == 45
    assert len(server.requests) == 2


def test_other_failures_are_not_tried_again(
    server: CreditServer, stub: CreditServiceStub, applicant: ScoreCreditRequest
) -> None:
    server.fail(rich_status(grpc.StatusCode.INTERNAL, "no"), answer)
    with pytest.raises(gapura_client.Internal):
        stub.ScoreCredit(applicant)
    assert len(server.requests) == 1


def test_with_call_returns_response_and_call(stub: CreditServiceStub, applicant: ScoreCreditRequest) -> None:
    response, call = stub.ScoreCredit.with_call(applicant)
    assert response.credit_limit_minor == 45
    assert call.code() is grpc.StatusCode.OK


def test_with_call_raises_typed_errors(
    server: CreditServer, stub: CreditServiceStub, applicant: ScoreCreditRequest
) -> None:
    server.fail(invalid_fields())
    with pytest.raises(gapura_client.InvalidArgument):
        stub.ScoreCredit.with_call(applicant)


def test_future_starts_without_waiting(
    server: CreditServer, stub: CreditServiceStub, applicant: ScoreCreditRequest
) -> None:
    server.hold()
    future = stub.ScoreCredit.future(applicant)
    assert future.running()
    with pytest.raises(grpc.FutureTimeoutError):
        future.result(timeout=0.05)
    assert future.cancel()
    with pytest.raises(grpc.FutureCancelledError):
        future.result()


def test_future_gives_its_response(stub: CreditServiceStub, applicant: ScoreCreditRequest) -> None:
    future = stub.ScoreCredit.future(applicant)
    assert future.result().credit_limit_minor == 45
    assert future.exception() is None


def test_future_gives_typed_errors(
    server: CreditServer, stub: CreditServiceStub, applicant: ScoreCreditRequest
) -> None:
    server.fail(invalid_fields())
    future = stub.ScoreCredit.future(applicant)
    with pytest.raises(gapura_client.InvalidArgument):
        future.result()
    error = future.exception()
    assert isinstance(error, gapura_client.InvalidArgument)
    assert future.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_done_callback_gets_the_typed_future(
    server: CreditServer, stub: CreditServiceStub, applicant: ScoreCreditRequest
) -> None:
    server.fail(invalid_fields())
    ended: queue.Queue[Any] = queue.Queue()
    stub.ScoreCredit.future(applicant).add_done_callback(ended.put)
    assert isinstance(ended.get(timeout=5).exception(), gapura_client.InvalidArgument)


@pytest.mark.parametrize("kind", ["unary_stream", "stream_unary", "stream_stream"])
def test_streaming_calls_carry_the_key(kind: str) -> None:
    """Calls of every kind are admitted by key."""
    recorder = Recorder()
    with listening(recorder.join) as target, gapura_client.connect(target, api_key="key-1") as channel:
        request = iter([b""]) if kind.startswith("stream") else b""
        with pytest.raises(grpc.RpcError):
            next(iter(getattr(channel, kind)("/erpml.Any/Any")(request)))
    assert recorder.metadata[0]["x-api-key"] == "key-1"
