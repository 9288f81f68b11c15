"""Bad input is answered with the right code, a reason and what to change; and nobody else notices."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gapura_client
import grpc
import pytest
from erpml.finance.v1 import credit_service_pb2 as messages
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub
from erpml.types.v1 import prediction_info_pb2

from tests.e2e.applicants import GOOD, changed
from tests.e2e.conftest import Serving

SCORE = "/erpml.finance.v1.CreditService/ScoreCredit"
NAN = float("nan")


def send(channel: grpc.Channel, path: str, message: bytes) -> bytes:
    """Sends bytes to a path."""
    method: Any = channel.unary_unary(path)
    return bytes(method(message))


@pytest.fixture(autouse=True)
def nobody_else_notices(credit: CreditServiceStub) -> Iterator[None]:
    """Asks a good question before and after each test, and expects the same answer."""
    before = credit.ScoreCredit(GOOD).default_probability
    yield
    assert credit.ScoreCredit(GOOD).default_probability == before


@pytest.mark.parametrize(
    ("request_", "field", "need"),
    [
        (changed(customer_id=None), "customer_id", "is required"),
        (changed(debt_ratio=NAN), "debt_ratio", "finite"),
        (changed(monthly_income=float("inf")), "monthly_income", "finite"),
        (changed(age_years=-3), "age_years", "at least 0 and at most 150, got -3"),
        (changed(currency_code="dollars"), "currency_code", "ISO 4217"),
    ],
)
def test_a_bad_field_is_named(
    credit: CreditServiceStub, request_: messages.ScoreCreditRequest, field: str, need: str
) -> None:
    with pytest.raises(gapura_client.InvalidArgument) as refused:
        credit.ScoreCredit(request_)
    assert refused.value.reason == "INVALID_FIELD"
    assert [violation.field for violation in refused.value.violations] == [field]
    assert need in str(refused.value)


def test_what_is_left_out_is_made_up_for_by_stored_features_or_their_defaults(credit: CreditServiceStub) -> None:
    prediction = credit.ScoreCredit(changed(age_years=None)).prediction
    assert prediction.feature_status == prediction_info_pb2.FEATURE_STATUS_DEFAULT
    assert prediction.feature_age_ms == 0


def test_bytes_that_are_no_message_are_refused(channel: grpc.Channel) -> None:
    with pytest.raises(gapura_client.InvalidArgument) as refused:
        send(channel, SCORE, b"\xff\xff\xff")
    assert refused.value.reason == "MALFORMED_MESSAGE"
    assert "ScoreCreditRequest" in str(refused.value)


@pytest.mark.parametrize(
    ("key", "reason"),
    [(None, "API_KEY_MISSING"), ("nobody", "API_KEY_INVALID"), ("gapura_00000000_x", "API_KEY_INVALID")],
)
@pytest.mark.parametrize("message", [b"", b"\xff", GOOD.SerializeToString()])
def test_who_is_not_known_is_refused_before_the_message_is_read(
    serving: Serving, key: str | None, reason: str, message: bytes
) -> None:
    with gapura_client.connect(serving.address, api_key=key) as opened:
        for path in (SCORE, "/inference.GRPCInferenceService/ModelInfer", "/inference.GRPCInferenceService/ServerLive"):
            with pytest.raises(gapura_client.Unauthenticated) as refused:
                send(opened, path, message)
            assert refused.value.reason == reason
            assert "x-api-key" in str(refused.value)


def test_the_key_of_another_team_opens_nothing(serving: Serving) -> None:
    with gapura_client.connect(serving.address, api_key=serving.foreign_key) as opened:
        with pytest.raises(gapura_client.PermissionDenied) as refused:
            CreditServiceStub(opened).ScoreCredit(GOOD)
        assert refused.value.reason == "MODEL_NOT_ALLOWED"
        assert refused.value.metadata == {"tenant": "team4", "model": "team3_credit_scoring"}


def test_a_method_that_does_not_exist_is_named(channel: grpc.Channel) -> None:
    with pytest.raises(gapura_client.Unimplemented, match="no method /erpml.finance.v1.CreditService/Guess") as refused:
        send(channel, "/erpml.finance.v1.CreditService/Guess", b"")
    assert refused.value.reason == "METHOD_UNKNOWN"


def test_an_expired_deadline_is_told(credit: CreditServiceStub) -> None:
    with pytest.raises(gapura_client.DeadlineExceeded) as refused:
        credit.ScoreCredit(GOOD, timeout=-1)
    assert refused.value.reason == "DEADLINE_EXCEEDED"


def test_cancelled_calls_harm_nobody(credit: CreditServiceStub, serving: Serving) -> None:
    for _ in range(300):
        credit.ScoreCredit.future(GOOD).cancel()
    credit.ScoreCredit(GOOD)
    assert resident_mib(serving.pid) < 400


def test_thousands_of_simultaneous_calls_are_all_answered(credit: CreditServiceStub) -> None:
    """The server's own queue holds 1,000 calls unless it is told otherwise, and cancels the others' callers."""
    calls = [credit.ScoreCredit.future(GOOD, timeout=60) for _ in range(4_000)]
    assert len({call.result().default_probability for call in calls}) == 1


def test_a_message_above_the_limit_is_refused(serving: Serving) -> None:
    unlimited = [("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0)]
    with gapura_client.connect(
        serving.address, api_key=serving.api_key, options=unlimited, timeout_seconds=60
    ) as opened:
        with pytest.raises(gapura_client.Overloaded, match="larger than max") as refused:
            send(opened, SCORE, bytes(129 * 1024 * 1024))
        assert refused.value.reason == "MESSAGE_TOO_LARGE"


def test_messages_that_claim_a_gibibyte_are_each_refused_and_cost_no_memory(
    serving: Serving, credit: CreditServiceStub
) -> None:
    """200 streams of one connection claim 1 GiB each and send next to nothing of it; the connection stays."""
    before = resident_mib(serving.pid)
    host, _, port = serving.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b""))
        for number in range(200):
            connection.sendall(claim(stream=2 * number + 1, claimed=2**30))
        kinds = [next_frame(connection)]
        while sum(kind == HEADERS and bool(flags & END_STREAM) for kind, flags in kinds) < 200:
            kinds.append(next_frame(connection))
        credit.ScoreCredit(GOOD)
        assert resident_mib(serving.pid) - before < 50
    assert GOAWAY not in [kind for kind, _ in kinds]


DATA, HEADERS, SETTINGS, GOAWAY = 0, 1, 4, 7
END_STREAM, END_HEADERS = 1, 4


def claim(stream: int, claimed: int) -> bytes:
    """Returns the start of a call whose message claims a size and holds only its first bytes."""
    fields = {":method": "POST", ":scheme": "http", ":path": SCORE, ":authority": "x", "te": "trailers"}
    fields |= {"content-type": "application/grpc"}
    headers = b"".join(literal(name, value) for name, value in fields.items())
    begun = struct.pack(">BI", 0, claimed) + b"begin"
    return frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, 0, stream, begun)


def next_frame(connection: socket.socket) -> tuple[int, int]:
    """Reads one frame; returns its kind and flags."""
    head = connection.recv(9, socket.MSG_WAITALL)
    connection.recv(int.from_bytes(head[:3], "big"), socket.MSG_WAITALL)
    return head[3], head[4]


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Returns one HTTP/2 frame (RFC 9113, section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name: str, value: str) -> bytes:
    """Returns one header field, literal and never indexed (RFC 7541, section 6.2.3)."""
    return b"\x10" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def resident_mib(pid: int) -> float:
    """Returns the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20
