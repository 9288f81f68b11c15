"""The parts of the tour that need no gateway."""

import os
import shlex
import signal
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hub.errors import HubError
from hub.quickstart.address import require_free, target_of
from hub.quickstart.applicants import pick_mixed, read_requests
from hub.quickstart.gateway_process import GatewayProcess
from hub.quickstart.interruption import Interruption
from hub.quickstart.summary import explain_calls
from hub.quickstart.triton_nodes import TritonNodes
from hub.training.applicants import FEATURES, ID, TARGET


def applicants(rows: int = 4) -> pd.DataFrame:
    """Applicants 0, 1, 2 … whose features are 1.0, 2.0 …; every second one defaulted."""
    table = pd.DataFrame({name: [float(index + 1)] * rows for index, name in enumerate(FEATURES)})
    return table.assign(**{ID: range(rows), TARGET: [row % 2 for row in range(rows)]})


def test_a_missing_value_is_a_field_that_is_not_set() -> None:
    table = applicants(1).assign(MonthlyIncome=np.nan)
    (applicant,) = read_requests(table)
    assert not applicant.request.HasField("monthly_income")
    assert applicant.request.HasField("dependents")
    assert (applicant.request.customer_id, applicant.request.age_years) == ("applicant-0", 2)


def test_those_who_paid_and_those_who_did_not_are_shown_in_turn() -> None:
    shown = pick_mixed(read_requests(applicants(10)), 3)
    assert [applicant.defaulted for applicant in shown] == [False, True] * 3


def test_the_command_line_names_every_field() -> None:
    (applicant,) = read_requests(applicants(1))
    text = explain_calls(applicant.request, "127.0.0.1:9100", Path("elsewhere/key"))
    words = shlex.split(next(line for line in text.splitlines() if " call credit " in line))
    assert words[words.index("--age-years") + 1] == "2"
    assert words[words.index("--target") + 1] == "127.0.0.1:9100"
    assert words[-2:] == ["--api-key", "$(cat elsewhere/key)"]


@pytest.mark.parametrize(
    ("listen", "target"),
    [("127.0.0.1:9003", "127.0.0.1:9003"), ("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("db:1", "db:1")],
)
def test_callers_on_this_machine_find_the_gateway(listen: str, target: str) -> None:
    assert target_of(listen) == target


@pytest.mark.parametrize("listen", ["9003", ":9003", "localhost", "localhost:", "localhost:0", "localhost:70000"])
def test_an_address_is_a_host_and_a_port(listen: str) -> None:
    with pytest.raises(HubError, match="HOST:PORT"):
        target_of(listen)


def test_a_taken_port_is_noticed_before_a_stranger_is_called() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        listen = f"127.0.0.1:{stranger.getsockname()[1]}"
        with pytest.raises(HubError, match="choose another with --listen"):
            require_free(listen)
    require_free(listen)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_signal_interrupts_and_the_old_handlers_return(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Interruption().listening():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_signal_waits_while_it_is_held() -> None:
    interruption = Interruption()
    with interruption.listening(), interruption.held():
        os.kill(os.getpid(), signal.SIGTERM)
    assert interruption.count == 1


def test_a_gateway_that_ends_early_shows_why(tmp_path: Path) -> None:
    gateway = GatewayProcess("not-an-address", tmp_path / "gateway.log", Interruption())
    gateway.start()
    try:
        with pytest.raises(HubError, match="the gateway ended with status"):
            gateway.wait_until_serving("127.0.0.1:1", "any")
    finally:
        gateway.stop()


def test_nodes_that_cannot_start_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_VAR", str(tmp_path / "var"))
    nodes = TritonNodes(tmp_path / "model_repository", Interruption())
    said: list[str] = []
    with pytest.raises(HubError, match="^tritonserver is not installed"):
        nodes.start(said.append)
    assert "tritonserver is not installed" in said[0]
    nodes.stop()  # there is nothing to stop
