"""gRPC through the edge, where Envoy itself decides; the rest is in `tests/edge`."""

import time
from typing import Any
from urllib.request import Request, urlopen

import grpc
import pytest
from gapura_envoy.admin import ask, read_figures
from gapura_envoy.testing import RunningEdge

from tests.envoy.conftest import applicant, score

SCORE = "/erpml.finance.v1.CreditService/ScoreCredit"
WEB = "application/grpc-web+proto"


def test_compressed_messages_are_not_taken(channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
    call: Any = channel.unary_unary(SCORE, request_serializer=lambda request: bytes(request.SerializeToString()))
    with pytest.raises(grpc.RpcError, match="compressed requests are not taken") as refused:
        call(applicant(), metadata=metadata, compression=grpc.Compression.Gzip, timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_pages_may_call_over_grpc_web(edge: RunningEdge, metadata: tuple[tuple[str, str], ...]) -> None:
    message = applicant().SerializeToString()
    body = b"\0" + len(message).to_bytes(4, "big") + message
    headers = {"content-type": WEB, **dict(metadata)}
    with urlopen(Request(f"http://{edge.address}{SCORE}", body, headers), timeout=5) as answer:
        content = answer.read()
        assert answer.headers["content-type"] == WEB
    assert b"grpc-status:0" in content


def test_64_streams_over_8_connections_use_the_workers_evenly(
    edge: RunningEdge, metadata: tuple[tuple[str, str], ...]
) -> None:
    before = calls_of(edge)
    own = (("grpc.use_local_subchannel_pool", 1),)
    channels = [grpc.insecure_channel(edge.address, options=own) for _ in range(8)]
    call: list[Any] = [
        channel.unary_unary(SCORE, request_serializer=lambda request: request.SerializeToString())
        for channel in channels
    ]
    waiting = [each.future(applicant(), metadata=metadata, timeout=10) for _ in range(8) for each in call]
    for each in waiting:
        each.result()
    for channel in channels:
        channel.close()
    counts = [now - then for now, then in zip(calls_of(edge), before, strict=True)]
    assert sum(counts) == 64
    assert min(counts) >= 0.7 * 32


def test_one_connection_uses_both_workers(
    edge: RunningEdge, channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]
) -> None:
    before = calls_of(edge)
    for _ in range(20):
        score(channel, metadata)
    assert [now - then for now, then in zip(calls_of(edge), before, strict=True)] == [10, 10]


def test_nothing_is_said_of_what_stands_behind(
    edge: RunningEdge, channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]
) -> None:
    call: Any = channel.unary_unary(SCORE, request_serializer=lambda request: bytes(request.SerializeToString()))
    _, ended = call.with_call(applicant(), metadata=metadata, timeout=5)
    names = {name for name, _ in (*ended.initial_metadata(), *ended.trailing_metadata())}
    assert not [name for name in names if name.startswith("x-envoy") or name == "server"]
    assert read_figures(edge.settings.admin, "listener.admin")


def test_load_balancers_are_told_whether_the_edge_is_well(edge: RunningEdge) -> None:
    with urlopen(f"http://{edge.address}/healthz", timeout=5) as answer:
        assert answer.status == 200


def calls_of(edge: RunningEdge) -> list[int]:
    """Returns how many calls each worker has had, once Envoy has counted them all."""
    time.sleep(0.2)
    _, text = ask(edge.settings.admin, "/clusters")
    return [int(line.rpartition("::")[2]) for line in text.splitlines() if "::rq_total::" in line]
