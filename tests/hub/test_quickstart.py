"""The parts of the tour that need no gateway."""

import os
import shlex
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gapura_deployment.options import Choice

from gateway.contracts.descriptors import link
from hub.errors import HubError
from hub.quickstart.applicants import pick_mixed, read_requests
from hub.quickstart.calls import CALLS
from hub.quickstart.deployment import Deployment
from hub.quickstart.interruption import Interruption
from hub.quickstart.models import MODELS, models_of
from hub.quickstart.summary import explain_calls
from hub.quickstart.triton_installation import install_triton
from hub.training.applicants import FEATURES, ID, TARGET
from hub.training.pipelines import PIPELINES


def applicants(rows: int = 4) -> pd.DataFrame:
    """Applicants 0, 1, 2 … whose features are 1.0, 2.0 …; every second one defaulted."""
    table = pd.DataFrame({name: [float(index + 1)] * rows for index, name in enumerate(FEATURES)})
    return table.assign(**{ID: range(rows), TARGET: [row % 2 for row in range(rows)]})


def test_every_model_that_is_trained_here_is_called_by_the_tour_through_its_own_service() -> None:
    assert {model.pipeline for model in MODELS} == set(PIPELINES) == set(CALLS)
    services = {method.serving.model: method.service for method in link({}).methods}
    assert {model.name: model.service for model in MODELS} == {model.name: services[model.name] for model in MODELS}


def test_a_tour_of_a_team_has_its_models_alone() -> None:
    assert [model.pipeline for model in models_of(["team3"])] == ["team3/credit_scoring", "team3/fraud_detection"]
    assert models_of([]) == MODELS


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


def test_a_deployment_that_ends_early_shows_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_VAR", str(tmp_path))
    monkeypatch.setenv("GAPURA_LISTENER", "none")
    deployment = Deployment(Choice("127.0.0.1:9", "none", 1, "onnx", ()), tmp_path, Interruption())
    deployment.start()
    try:
        with pytest.raises(HubError, match=r"^the deployment ended with status 1:\n    Error: GAPURA_LISTENER=none"):
            deployment.wait_until_serving(["any"], "")
    finally:
        deployment.stop()


def test_tritonserver_that_cannot_be_installed_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "triton").touch()
    monkeypatch.setenv("GAPURA_VAR", str(tmp_path))
    said: list[str] = []
    with pytest.raises(HubError, match="File exists|Not a directory"):
        install_triton(said.append)
    assert said
