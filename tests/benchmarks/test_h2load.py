"""Reports and logs of h2load, as version 1.52 writes them."""

from pathlib import Path

import pytest

from benchmarks.measuring.h2load import NoLoadError, Shape, compose_command, parse_log, parse_report

REPORT = """\
finished in 2.00s, 1467.00 req/s, 300.93KB/s
requests: 2934 total, 2942 started, 2934 done, 2930 succeeded, 4 failed, 0 errored, 0 timeout
status codes: 2930 2xx, 0 3xx, 0 4xx, 4 5xx
traffic: 601.87KB (616313) total, 8.74KB (8952) headers (space savings 96.23%), 449.84KB (460638) data
                     min         max         mean         sd        +/- sd
time for request:     1.64ms     26.54ms      5.39ms      2.86ms    86.09%
"""


def test_report_tells_requests_and_bytes() -> None:
    report = parse_report(REPORT)
    assert (report.done, report.failed, report.body_bytes) == (2934, 4, 460638)


def test_errors_are_found_by_the_bytes_that_are_missing() -> None:
    report = parse_report(REPORT)
    assert report.answered(157) == 2934
    assert report.answered(2 * 157) == 1467


def test_report_without_requests_is_an_error() -> None:
    with pytest.raises(NoLoadError, match="says nothing"):
        parse_report("Could not connect to host\n")


def test_log_tells_when_requests_ended_and_how_long_they_took(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("1000000\t200\t500000\n2000000\t200\t250000\n")
    read = parse_log(log)
    assert list(read.ended) == [1.5, 2.25]
    assert list(read.within(2.0, 3.0)) == [0.25]
    assert not read.within(3.0, 4.0).size


def test_empty_log_has_no_requests(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    assert not parse_log(log).ended.size


def test_pace_is_divided_between_connections() -> None:
    command = compose_command("http://h/m", [("x-api-key", "k")], Path("body"), Shape(4, 8), 1.5, per_second=1000)
    assert {"--rps=250", "--clients=4", "--max-concurrent-streams=8", "--duration=1500ms"} <= set(command)
    assert "--header=x-api-key: k" in command


def test_http_1_has_a_connection_for_each_call_under_way() -> None:
    command = compose_command("http://h/m", [], Path("body"), Shape(8, 32), 1.0, grpc=False)
    assert {"--h1", "--clients=256", "--max-concurrent-streams=1"} <= set(command)
