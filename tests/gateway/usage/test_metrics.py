"""Metrics: exact, the same from every process, and in the format that Prometheus reads."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.operations.http import MOST_CONNECTIONS
from gateway.operations.metrics import MetricsServer
from gateway.usage.book import UsageBook
from gateway.usage.exposition import expose
from gateway.usage.layout import Counts
from gateway.usage.totals import Totals
from tests.gateway.usage.charging import start

MODEL = "team3_credit_scoring"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serves the usage of a folder."""
    metrics = MetricsServer("127.0.0.1:0", tmp_path, tmp_path / "none")
    yield metrics.start()
    metrics.stop()


def ask(address: str, method: str = "GET", path: str = "/metrics") -> tuple[int, str, bytes]:
    """Asks; returns status, content type and content."""
    connection = http.client.HTTPConnection(address, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers["Content-Type"], content


def test_metrics_are_written_as_prometheus_reads_them() -> None:
    totals = {("acme", MODEL): Counts(5, 6, 12_345_678_901, 0), ("b", 'team1_"x"\\\n'): Counts(1, 2, 3, 4)}
    assert "".join(expose(totals)) == (
        "# HELP gapura_usage_calls_total Calls that were answered.\n"
        "# TYPE gapura_usage_calls_total counter\n"
        'gapura_usage_calls_total{tenant="acme",team="team3",model="team3_credit_scoring"} 5\n'
        'gapura_usage_calls_total{tenant="b",team="team1",model="team1_\\"x\\"\\\\\\n"} 1\n'
        "# HELP gapura_usage_rows_total Rows of calls that were answered.\n"
        "# TYPE gapura_usage_rows_total counter\n"
        'gapura_usage_rows_total{tenant="acme",team="team3",model="team3_credit_scoring"} 6\n'
        'gapura_usage_rows_total{tenant="b",team="team1",model="team1_\\"x\\"\\\\\\n"} 2\n'
        "# HELP gapura_usage_backend_seconds_total "
        "Time that backends spent on calls that were answered, in seconds.\n"
        "# TYPE gapura_usage_backend_seconds_total counter\n"
        'gapura_usage_backend_seconds_total{tenant="acme",team="team3",model="team3_credit_scoring"} 12.345678901\n'
        'gapura_usage_backend_seconds_total{tenant="b",team="team1",model="team1_\\"x\\"\\\\\\n"} 0.000000003\n'
        "# HELP gapura_usage_feature_hits_total Features that were looked up for calls that were answered.\n"
        "# TYPE gapura_usage_feature_hits_total counter\n"
        'gapura_usage_feature_hits_total{tenant="acme",team="team3",model="team3_credit_scoring"} 0\n'
        'gapura_usage_feature_hits_total{tenant="b",team="team1",model="team1_\\"x\\"\\\\\\n"} 4\n'
    )


def test_a_scrape_tells_the_calls_of_processes_that_live_and_of_those_that_ended(server: str, tmp_path: Path) -> None:
    assert len(start(tmp_path, 10).communicate()[0]) == 10
    book = UsageBook(tmp_path)
    for calls in (1, 2):
        book.charge("acme", MODEL, 1, 0.001)
        status, kind, content = ask(server)
        assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
        line = f'gapura_usage_calls_total{{tenant="acme",team="team3",model="{MODEL}"}} {4 + calls}\n'
        assert line in content.decode()


def test_what_finished_files_have_is_read_once_and_counted_once(tmp_path: Path) -> None:
    totals = Totals(tmp_path)
    book = UsageBook(tmp_path)
    for calls in range(1, 4):
        book.charge("acme", MODEL, 1, 0.001)
        assert totals.take()["acme", MODEL].calls == calls
    book.close()
    assert totals.take()["acme", MODEL].calls == 3
    (file,) = tmp_path.iterdir()
    size = file.stat().st_size
    file.write_bytes(bytes(size))
    assert totals.take()["acme", MODEL].calls == 3
    file.unlink()
    assert totals.take() == {}


def test_all_processes_of_a_machine_have_one_address(server: str, tmp_path: Path) -> None:
    UsageBook(tmp_path).charge("acme", MODEL, 1, 0.001)
    other = MetricsServer(server, tmp_path, tmp_path / "none")
    assert other.start() == server
    assert len({ask(server)[2] for _ in range(20)}) == 1
    other.stop()
    assert ask(server)[0] == 200


def test_nothing_but_metrics_is_served(server: str) -> None:
    status, _, content = ask(server, "HEAD")
    assert (status, content) == (200, b"")
    assert ask(server, path="/metrics?x=1")[0] == 200
    assert ask(server, path="/")[0] == 404
    assert ask(server, "HEAD", "/metrics/")[0] == 404
    assert ask(server, "POST")[0] == 501


def test_connections_that_ask_nothing_keep_nobody_out_for_ever(server: str) -> None:
    host, port = server.split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(MOST_CONNECTIONS)]
    idle[0].sendall(b"GET /metr")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(server)
    for connection in idle:
        connection.close()
    while True:
        try:
            assert ask(server)[0] == 200
        except (http.client.RemoteDisconnected, ConnectionError):
            continue
        break


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "usage").write_text("a file")
    server = MetricsServer("127.0.0.1:0", tmp_path / "usage", tmp_path / "none")
    address = server.start()
    assert ask(address)[0] == 500
    server.stop()


@pytest.mark.parametrize("address", [":9100", "9100", "host", "host:99999", "::1:9100", "a b:1", "http://x:1", ""])
def test_an_address_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError, match="GAPURA_METRICS_LISTEN"):
        MetricsServer(address, tmp_path, tmp_path / "none")


@pytest.mark.parametrize("address", ["192.0.2.1:9100", "no-such-host.invalid:9100"])
def test_an_address_of_another_machine_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError, match="GAPURA_METRICS_LISTEN"):
        MetricsServer(address, tmp_path, tmp_path / "none").start()


def test_ipv6_is_served(tmp_path: Path) -> None:
    server = MetricsServer("[::1]:0", tmp_path, tmp_path / "none")
    address = server.start()
    assert address.startswith("[::1]:")
    assert ask(address)[0] == 200
    server.stop()
