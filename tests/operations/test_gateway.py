"""The page over a real gateway: what callers saw is what it tells, even when the gateway has been killed."""

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.request import urlopen

import gapura_client
import grpc
import pytest
from erpml.finance.v1 import credit_service_pb2_grpc
from playwright.sync_api import Page, expect

from tests.conftest import Published
from tests.e2e.applicants import GOOD
from tests.e2e.serving import COMMAND, add_tenant, free_port, scratch_environment, serve

CALLS, FAILING = 40, 3
WAIT_SECONDS = 60
MODEL = "team3_credit_scoring"
MISSING = "/erpml.finance.v1.CreditService/Forget"


@contextmanager
def operations(environment: Mapping[str, str]) -> Iterator[str]:
    """Runs `gapura operations`; yields its URL once it answers."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen([*COMMAND, "operations", "--listen", address], env=environment)
    try:
        wait_until(lambda: answers(f"http://{address}/healthz"))
        yield f"http://{address}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0


def answers(url: str) -> bool:
    """Says whether something answers there."""
    try:
        return bool(get(url))
    except OSError:
        return False


def get(url: str) -> bytes:
    """Returns what is there."""
    with urlopen(url, timeout=WAIT_SECONDS) as answer:  # noqa: S310 - an address of ours
        content: bytes = answer.read()
    return content


def wait_until(happened: Callable[[], object]) -> None:
    """Waits for something.

    Raises:
        AssertionError: It does not happen.
    """
    end = monotonic() + WAIT_SECONDS
    while not happened():
        assert monotonic() < end
        sleep(0.1)


def run(environment: Mapping[str, str], *command: str) -> str:
    """Runs a command; returns what it prints."""
    return subprocess.run([*COMMAND, *command], env=environment, check=True, capture_output=True, text=True).stdout


def call(address: str, key: str) -> None:
    """Makes calls that go well, and calls of a method that the server does not have."""
    with gapura_client.connect(address, api_key=key) as channel:
        stub = credit_service_pb2_grpc.CreditServiceStub(channel)
        for _ in range(CALLS):
            stub.ScoreCredit(GOOD)
        missing: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(MISSING)
        for _ in range(FAILING):
            with pytest.raises(grpc.RpcError):
                missing(b"")


def figures(url: str) -> tuple[int, int]:
    """Returns how many calls a model had, and how many calls failed, as the live view tells."""
    live = json.loads(get(f"{url}/live.json"))
    of_model = sum(each["calls"] for each in live["arms"] if each["model"] == MODEL)
    return of_model, live["total"]["failed"] if live["total"] else 0


def test_the_page_tells_what_callers_saw_even_when_the_gateway_was_killed(
    published: Published, tmp_path: Path, tab: Page
) -> None:
    places = {"TELEMETRY": str(tmp_path / "telemetry"), "TENANTS": str(tmp_path / "tenants.yaml")}
    environment = scratch_environment(published.environment, **places, SLOW_MS="0.001")
    key = add_tenant(environment, "team3", "team3_*")
    with operations(environment) as url, serve(environment) as (process, address):
        call(address, key)
        wait_until(lambda: figures(url) == (CALLS, FAILING))
        assert "gateway-0" in run(environment, "top", "--once")
        assert "gateway-0  info" in run(environment, "log-level")
        run(environment, "log-level", "warning")
        wait_until(lambda: "gateway-0  warning" in run(environment, "log-level"))
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_SECONDS)
        assert figures(url) == (CALLS, FAILING)
        look_around(tab, url)


def look_around(tab: Page, url: str) -> None:
    """Clicks from the error rate of all calls to a trace, and from a percentile to a trace with its batch."""
    tab.goto(url)
    tab.locator("dl.tiles").get_by_role("link", name="%").click()
    expect(tab.locator("tbody tr").filter(has_text="UNIMPLEMENTED")).to_have_count(FAILING)
    tab.locator("tbody tr").first.get_by_role("link").click()
    expect(tab.locator(".error")).to_be_visible()
    tab.goto(url)
    tab.get_by_role("row", name=f"{MODEL} champion").get_by_role("link", name="s").last.click()
    tab.locator("tbody tr").first.get_by_role("link").click()
    stages = tab.get_by_role("table", name="Stages").get_by_role("rowheader")
    expect(stages.filter(has_text="inference")).to_be_visible()
    tab.get_by_role("link", name=re.compile("^Batch ")).click()
    expect(tab.get_by_role("heading", level=2)).to_contain_text(f"Batch of {MODEL}")
