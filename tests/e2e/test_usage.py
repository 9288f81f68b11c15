"""What tenants have used, as `gapura usage` and Prometheus tell it: what was answered, exactly, after a kill -9 too."""

import json
import signal
import subprocess
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gapura_client
import grpc
from erpml.finance.v1 import credit_service_pb2 as messages
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub

from tests.conftest import Published
from tests.e2e.applicants import GOOD
from tests.e2e.serving import COMMAND, add_tenant, free_port, scratch_environment, wait_for

CALLERS, CALLS, ROWS = 24, 40, 7
MODEL = "team3_credit_scoring"


def score(address: str, key: str, caller: int) -> Counter[str]:
    """Makes calls, good and bad, of one row and of several; returns the answers, and the rows that they had."""
    answered = Counter[str]()
    with gapura_client.connect(address, api_key=key) as channel:
        stub = CreditServiceStub(channel)
        for number in range(CALLS):
            try:
                if (caller + number) % 3:
                    stub.ScoreCredit(GOOD, timeout=30)
                    answered.update(calls=1, rows=1)
                else:
                    stub.BatchScoreCredit(messages.BatchScoreCreditRequest(requests=[GOOD] * ROWS), timeout=30)
                    answered.update(calls=1, rows=ROWS)
            except grpc.RpcError:
                answered.update(refused=1)
    return answered


def test_what_was_answered_is_charged_though_the_gateway_is_killed(published: Published, tmp_path: Path) -> None:
    metrics = f"127.0.0.1:{free_port()}"
    environment = scratch_environment(
        published.environment, TENANTS=str(tmp_path / "t.yaml"), USAGE=str(tmp_path / "usage"), METRICS_LISTEN=metrics
    )
    keys = {
        "sales": add_tenant(environment, "sales", "team3_*"),
        "finance": add_tenant(environment, "finance", "team3_*", "--calls-per-second", "200", "--concurrency", "4"),
        "crm": add_tenant(environment, "crm", "team6_*"),
    }
    process = subprocess.Popen(
        [*COMMAND, "serve", "--listen", "127.0.0.1:0"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        address = wait_for(process, "listening")["address"]
        with ThreadPoolExecutor(CALLERS) as pool:
            callers = [(name, pool.submit(score, address, keys[name], number)) for number in range(8) for name in keys]
            answered = {name: Counter[str]() for name in keys}
            for name, caller in callers:
                answered[name] += caller.result()
        with urllib.request.urlopen(f"http://{metrics}/metrics") as answer:
            exposed = answer.read().decode()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    command = [*COMMAND, "usage", "--by", "tenant", "--by", "model", "--format", "json"]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    lines = json.loads(told)["lines"]
    charged = {line["tenant"]: Counter(calls=line["calls"], rows=line["rows"]) for line in lines}
    assert answered["finance"]["refused"] > 0
    assert answered["crm"] == Counter(refused=8 * CALLS)
    assert charged == {
        name: Counter(calls=answered[name]["calls"], rows=answered[name]["rows"]) for name in ("sales", "finance")
    }
    assert all(line["model"] == MODEL and line["backend_ms"] > 0 for line in lines)
    sales = f'gapura_usage_calls_total{{tenant="sales",team="team3",model="{MODEL}"}} {charged["sales"]["calls"]}'
    assert sales in exposed.splitlines()
