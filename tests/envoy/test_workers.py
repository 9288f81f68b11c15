"""Workers that come, go and die while callers call."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import grpc
from erpml.finance.v1 import credit_service_pb2_grpc
from gapura_envoy.admin import ask, drain
from gapura_envoy.files import replace_workers
from gapura_envoy.testing import RunningEdge, running_edge
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.envoy.conftest import PATH, Backstage, applicant, post, score

CALLERS, CONNECTIONS = 32, 4
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Metadata = tuple[tuple[str, str], ...]


@contextmanager
def calling(edge: RunningEdge, metadata: Metadata) -> Iterator[Counter[str]]:
    """Calls all the while; counts how calls end."""
    ends: Counter[str] = Counter()
    stop = Event()
    own = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
    channels = [grpc.insecure_channel(edge.address, options=own) for _ in range(CONNECTIONS)]

    def call(number: int) -> None:
        stub = credit_service_pb2_grpc.CreditServiceStub(channels[number % CONNECTIONS])
        while not stop.is_set():
            try:
                stub.ScoreCredit(applicant(), metadata=metadata, timeout=10)
                ends["OK"] += 1
            except grpc.RpcError as error:
                ends[f"{error.code().name}: {error.details()}"] += 1

    with ThreadPoolExecutor(CALLERS) as callers:
        running = [callers.submit(call, number) for number in range(CALLERS)]
        try:
            yield ends
        finally:
            stop.set()
            for each in running:
                each.result()
    for channel in channels:
        channel.close()


def test_no_call_fails_when_a_worker_is_killed(
    backstage: Backstage, contracts: list[bytes], metadata: Metadata
) -> None:
    with (
        backstage.worker("killed") as (killed, process),
        backstage.worker("left") as (left, _),
        running_edge([killed, left], contracts) as edge,
        calling(edge, metadata) as ends,
    ):
        time.sleep(1)
        process.kill()
        before = ends["OK"]
        time.sleep(2)
        assert ends["OK"] > before
    assert set(ends) == {"OK"}, ends


def test_no_call_fails_when_workers_are_replaced_one_by_one(
    backstage: Backstage, contracts: list[bytes], metadata: Metadata
) -> None:
    with backstage.worker("new") as (new, _):
        with (
            backstage.worker("first") as (first, _),
            running_edge([first], contracts) as edge,
            calling(edge, metadata) as ends,
        ):
            time.sleep(0.5)
            replace_workers(edge.settings, [first, new])
            until_known(edge, 2)
            replace_workers(edge.settings, [new])
            until_known(edge, 1)
            time.sleep(0.3)
        assert set(ends) == {"OK"}, ends


def test_no_call_fails_when_a_worker_is_asked_to_stop(
    backstage: Backstage, contracts: list[bytes], metadata: Metadata
) -> None:
    with (
        backstage.worker("stopped") as (stopped, process),
        backstage.worker("stays") as (stays, _),
        running_edge([stopped, stays], contracts) as edge,
        calling(edge, metadata) as ends,
    ):
        time.sleep(0.5)
        process.terminate()
        process.wait(10)
        time.sleep(0.5)
    assert set(ends) == {"OK"}, ends


def test_a_drain_lets_calls_end_and_tells_load_balancers(workers: list[str], contracts: list[bytes]) -> None:
    with running_edge(workers, contracts) as edge, grpc.insecure_channel(edge.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        next(watch)
        assert drain(edge.settings.admin, 0.3) == 1
        watch.cancel()
        assert drain(edge.settings.admin, 3) == 0


def test_a_call_is_logged_with_its_trace_and_without_its_key(
    workers: list[str], contracts: list[bytes], metadata: Metadata, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    with running_edge(workers, contracts, access_log=log) as edge:
        with grpc.insecure_channel(edge.address) as channel:
            score(channel, (*metadata, ("traceparent", TRACE)))
        ask(edge.settings.admin, "/reopen_logs", "POST")
    (line,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert (line["traceparent"], line["grpc_status"], line["attempts"]) == (TRACE, "OK", 1)
    assert line["path"] == "/erpml.finance.v1.CreditService/ScoreCredit"
    assert line["worker"]
    assert metadata[0][1] not in log.read_text()


def test_no_grpc_status_is_made_up_in_the_log_for_rest(
    workers: list[str], contracts: list[bytes], tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    with running_edge(workers, contracts, access_log=log, access_log_percent=0.0) as edge:
        post(edge, PATH, b"[]", traceparent=TRACE)
        ask(edge.settings.admin, "/reopen_logs", "POST")
    (line,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert (line["path"], line["status"], line["traceparent"]) == (PATH, 400, TRACE)
    assert "grpc_status" not in line


def until_known(edge: RunningEdge, workers: int) -> None:
    """Waits until Envoy knows so many workers, all well."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        _, text = ask(edge.settings.admin, "/clusters")
        flags = [line.rpartition("::")[2] for line in text.splitlines() if "::health_flags::" in line]
        if flags == ["healthy"] * workers:
            return
        time.sleep(0.05)
    raise AssertionError(flags)
