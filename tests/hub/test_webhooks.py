"""The listener for webhooks: only what MLflow signed, once and lately, wakes the reconciler."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from hub.errors import HubError
from hub.watch.signatures import DELIVERY, SIGNATURE, TIMESTAMP, Gate, sign
from hub.watch.webhooks import WebhookListener

SECRET = "shared by both"  # noqa: S105 - of this test
BODY = json.dumps({"entity": "model_version_alias", "action": "created", "data": {}}).encode()


@dataclass(slots=True)
class Listener:
    """A listener, and how often it woke somebody."""

    port: int = 0
    woken: list[None] = field(default_factory=list)

    def post(self, headers: dict[str, str], body: bytes = BODY) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    found = Listener()
    with WebhookListener("127.0.0.1", 0, SECRET, lambda: found.woken.append(None)) as listening:
        found.port = listening.port
        yield found


def signed(delivery: str, body: bytes = BODY, key: str = SECRET, age: float = 0) -> dict[str, str]:
    timestamp = str(int(time.time() - age))
    return {DELIVERY: delivery, TIMESTAMP: timestamp, SIGNATURE: sign(key, delivery, timestamp, body)}


@pytest.mark.parametrize("entity", ["registered_model", "model_version", "model_version_alias", "model_version_tag"])
def test_an_event_of_the_registry_wakes(listener: Listener, entity: str) -> None:
    body, before = json.dumps({"entity": entity}).encode(), len(listener.woken)
    assert listener.post(signed(f"new-{entity}", body), body) == 200
    assert len(listener.woken) == before + 1


# Each takes the id of a delivery and returns headers that are right but for one thing.
FORGED: dict[str, Callable[[str], dict[str, str]]] = {
    "unsigned": lambda _: {},
    "another secret": lambda case: signed(case, key="a guess"),
    "another body": lambda case: signed(case, BODY.replace(b"created", b"deleted")),
    "another id": lambda case: signed(case) | {DELIVERY: "some other"},
    "another time": lambda case: signed(case, age=-1) | {TIMESTAMP: str(int(time.time()) - 1)},
    "no signature": lambda case: signed(case) | {SIGNATURE: ""},
    "another scheme": lambda case: signed(case) | {SIGNATURE: signed(case)[SIGNATURE].replace("v1,", "v2,")},
    "letters beyond ASCII": lambda case: signed(case) | {SIGNATURE: "v1,\xfc"},
    "old": lambda case: signed(case, age=400),
    "from the future": lambda case: signed(case, age=-400),
    "a long id": lambda _: signed("x" * 201),
    "a time that is none": lambda case: signed(case) | {TIMESTAMP: "9" * 13},
}


@pytest.mark.parametrize("case", FORGED)
def test_what_mlflow_did_not_sign_now_wakes_nobody(listener: Listener, case: str) -> None:
    before = len(listener.woken)
    assert listener.post(FORGED[case](case)) == 401
    assert len(listener.woken) == before


def test_what_was_sent_before_wakes_nobody(listener: Listener) -> None:
    headers, before = signed("once"), len(listener.woken)
    assert [listener.post(headers) for _ in range(3)] == [200, 401, 401]
    assert len(listener.woken) == before + 1


def test_events_of_others_are_taken_and_wake_nobody(listener: Listener) -> None:
    body, before = json.dumps({"entity": "prompt"}).encode(), len(listener.woken)
    assert listener.post(signed("prompt", body), body) == 200
    assert len(listener.woken) == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"{}", b'{"entity": [1]}', b"[" * 100_000, b"\xff"])
def test_a_signed_body_that_is_no_event_is_a_bad_request(listener: Listener, body: bytes) -> None:
    before = len(listener.woken)
    assert listener.post(signed(f"bad-{len(body)}-{body[:5]!r}", body), body) == 400
    assert len(listener.woken) == before


def talk(port: int, request: bytes) -> bytes:
    """Sends bytes as they are; returns the first line of the answer, if any."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        return connection.makefile("rb").readline()


@pytest.mark.parametrize(
    ("length", "status"), [("1048577", b"413"), ("9" * 100, b"413"), ("-1", b"400"), ("ten", b"400"), ("", b"400")]
)
def test_a_body_is_bounded_before_it_is_read(listener: Listener, length: str, status: bytes) -> None:
    answer = talk(listener.port, f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
    assert answer.split()[1] == status


def test_callers_that_dawdle_keep_nobody_out_for_long() -> None:
    """More callers than it serves at once send half a request and stay; then they are cut off, and it takes events."""
    woken = threading.Event()
    with WebhookListener("127.0.0.1", 0, SECRET, woken.set, seconds=0.5) as listening:
        idle = [socket.create_connection(("127.0.0.1", listening.port), 10) for _ in range(60)]
        for connection in idle:
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
        for connection in idle:
            with connection:
                connection.settimeout(10)
                drain(connection)
        listener = Listener(listening.port)
        assert listener.post(signed("after")) == 200
    assert woken.is_set()


def drain(connection: socket.socket) -> None:
    """Reads until the other side ends the connection."""
    try:
        while connection.recv(1000):
            pass
    except ConnectionError:
        return


class Clock:
    """A clock that is set by hand."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def accepts(gate: Gate, delivery: str, at: float) -> bool:
    timestamp = str(int(at))
    return gate.accepts(delivery, timestamp, sign(SECRET, delivery, timestamp, BODY), BODY)


def test_a_delivery_is_good_for_five_minutes_and_once() -> None:
    clock = Clock()
    gate = Gate(SECRET, clock)
    early = clock.now + 300
    assert accepts(gate, "a", early)
    clock.now += 600
    assert not accepts(gate, "a", early)
    assert accepts(gate, "b", early)
    clock.now += 1
    assert not accepts(gate, "c", early)


def test_it_takes_no_more_deliveries_than_it_can_remember() -> None:
    clock = Clock()
    gate = Gate(SECRET, clock)
    assert all(accepts(gate, f"id-{number}", clock.now) for number in range(10_000))
    assert not accepts(gate, "one more", clock.now)
    clock.now += 301
    assert accepts(gate, "later", clock.now)


def test_an_address_that_is_taken_says_what_to_change(listener: Listener) -> None:
    with (
        pytest.raises(HubError, match=rf"127.0.0.1:{listener.port}: .* change GAPURA_WEBHOOK_LISTEN"),
        WebhookListener("127.0.0.1", listener.port, SECRET, lambda: None),
    ):
        pytest.fail("it listens")


def test_without_a_secret_nothing_is_taken() -> None:
    with pytest.raises(HubError, match="GAPURA_WEBHOOK_SECRET is empty"):
        WebhookListener("127.0.0.1", 0, "", lambda: None)
