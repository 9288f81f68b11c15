"""A failed call raises the class that says what to do, with everything that the status carried."""

import pickle
import socket

import gapura_client
import grpc
import pytest
from erpml.finance.v1.credit_service_pb2 import ScoreCreditRequest
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub
from gapura_client.status_details import DETAILS_KEY

from tests.client.credit_server import CreditServer, RichStatus, rich_status
from tests.client.statuses import CLASSES, invalid_fields, queue_full


def failure(
    server: CreditServer, request: ScoreCreditRequest, timeout_seconds: float = 5.0
) -> gapura_client.GapuraError:
    """Makes a call that fails and returns its error."""
    with (
        gapura_client.connect(server.target, timeout_seconds=timeout_seconds) as channel,
        pytest.raises(gapura_client.GapuraError) as info,
    ):
        CreditServiceStub(channel).ScoreCredit(request)
    return info.value


@pytest.mark.parametrize("code", CLASSES, ids=lambda code: code.name)
def test_each_code_has_its_class(server: CreditServer, applicant: ScoreCreditRequest, code: grpc.StatusCode) -> None:
    server.fail(rich_status(code, "no"))
    error = failure(server, applicant)
    assert type(error) is CLASSES[code]
    assert (error.code(), error.details()) == (code, "no")


def test_violations_name_fields_and_needs(server: CreditServer, applicant: ScoreCreditRequest) -> None:
    server.fail(invalid_fields())
    error = failure(server, applicant)
    assert error.reason == "INVALID_FIELD"
    assert error.metadata == {"method": "ScoreCredit"}
    assert error.violations == (
        gapura_client.FieldViolation("age_years", "must be from 0 to 150"),
        gapura_client.FieldViolation("debt_ratio", "must be finite"),
    )
    assert error.retry_after_seconds is None


def test_retry_delay_is_in_seconds(server: CreditServer, applicant: ScoreCreditRequest) -> None:
    server.fail(queue_full())
    error = failure(server, applicant)
    assert isinstance(error, gapura_client.Overloaded)
    assert (error.reason, error.retry_after_seconds) == ("QUEUE_FULL", 0.25)


def test_text_reads_code_reason_message_and_a_line_per_violation(
    server: CreditServer, applicant: ScoreCreditRequest
) -> None:
    server.fail(invalid_fields())
    assert str(failure(server, applicant)).splitlines() == [
        "INVALID_ARGUMENT INVALID_FIELD: 2 fields need a change",
        "  age_years: must be from 0 to 150",
        "  debt_ratio: must be finite",
    ]


def test_text_says_when_to_try_again(server: CreditServer, applicant: ScoreCreditRequest) -> None:
    server.fail(queue_full())
    assert str(failure(server, applicant)).endswith("try again in 0.25 s")


def test_grpc_error_handlers_still_fit(server: CreditServer, applicant: ScoreCreditRequest) -> None:
    """Code written against gRPC's own errors keeps working."""
    server.fail(invalid_fields())
    with gapura_client.connect(server.target) as channel, pytest.raises(grpc.RpcError) as info:
        CreditServiceStub(channel).ScoreCredit(applicant)
    assert info.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [item.key for item in info.value.trailing_metadata()] == [DETAILS_KEY]


def test_error_survives_pickling(server: CreditServer, applicant: ScoreCreditRequest) -> None:
    """Process pools hand errors over by pickling them."""
    server.fail(invalid_fields())
    error = failure(server, applicant)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy), copy.violations) == (type(error), str(error), error.violations)


def test_unreadable_details_leave_code_and_message(server: CreditServer, applicant: ScoreCreditRequest) -> None:
    server.fail(RichStatus(grpc.StatusCode.NOT_FOUND, "no such model", ((DETAILS_KEY, b"\xff\xff"),)))
    error = failure(server, applicant)
    assert isinstance(error, gapura_client.NotFound)
    assert str(error) == "NOT_FOUND: no such model"


def test_refused_connection_says_where_to_look(applicant: ScoreCreditRequest) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = failure(CreditServer(target=f"127.0.0.1:{unused.getsockname()[1]}"), applicant)
    assert isinstance(error, gapura_client.Unavailable)
    assert error.reason == "CONNECTION_FAILED"
    assert "check the target" in str(error)


def test_passed_deadline_says_how_to_allow_more(server: CreditServer, applicant: ScoreCreditRequest) -> None:
    server.hold()
    error = failure(server, applicant, timeout_seconds=0.2)
    assert isinstance(error, gapura_client.DeadlineExceeded)
    assert "timeout=" in error.advice


def test_message_above_the_servers_maximum_says_to_send_less(server: CreditServer) -> None:
    """The tested server takes gRPC's default of 4 MiB."""
    error = failure(server, ScoreCreditRequest(customer_id="C" * (5 << 20)))
    assert isinstance(error, gapura_client.Overloaded)
    assert (error.reason, error.retry_after_seconds) == ("MESSAGE_TOO_LARGE", None)
    assert "fewer items" in str(error)


def test_message_above_our_own_maximum_says_to_send_less(server: CreditServer) -> None:
    error = failure(server, ScoreCreditRequest(customer_id="C" * (65 << 20)))
    assert error.reason == "MESSAGE_TOO_LARGE"
    assert not server.requests
