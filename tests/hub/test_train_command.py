"""`gapura train` trains one model or several, and says what failed."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from hub.errors import HubError
from hub.settings import HubSettings
from hub.training.pipelines import PIPELINES, Say, choose_models, load_pipeline
from hub.training.run import train_models
from hub.training.trained import Baseline, DataSource, TrainedModel
from tests.hub.workplace import Workplace, draw_table


def train_well(folder: Path, say: Say, *, fast: bool) -> TrainedModel:
    rows = draw_table()
    say(f"read {folder.name}, fast: {fast}")
    return TrainedModel(
        name="team9_good",
        team="team9",
        model_type="sklearn.LogisticRegression",
        purpose="Tests.",
        estimator=LogisticRegression().fit(rows, rows["income"] > 0),
        params={},
        metrics={"mae": 0.25, "auc": 0.75, "held_out_rows": 300.0},
        features=rows,
        optional=frozenset(),
        training_scores=pd.Series([0.5] * len(rows)),
        parity_sample=rows,
        source=DataSource("drawn", "From a random generator.", "None needed."),
        baselines=(Baseline("mae", 0.3, "the mean", larger_is_better=False), Baseline("auc", 0.8, "a stump")),
    )


def train_without_data(folder: Path, *_: Any, **__: Any) -> TrainedModel:
    raise HubError(f"nothing in {folder.name}: put it there")


def train_on_a_full_disk(folder: Path, *_: Any, **__: Any) -> TrainedModel:
    raise OSError(28, "No space left on device", str(folder))


def train_wrongly(*_: Any, **__: Any) -> TrainedModel:
    raise ZeroDivisionError("no rows")


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Modules with pipelines, by the names of their models; one needs a library that is not there."""
    pipelines: dict[str, Any] = {
        "bare": train_without_data,
        "full": train_on_a_full_disk,
        "wrong": train_wrongly,
        "good": train_well,
    }
    for name, train in pipelines.items():
        module = ModuleType(f"trainings.{name}")
        module.train = train  # type: ignore[attr-defined] # it is empty
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, "catboost", None)
    return {"team8/needy": "catboost"} | {f"team9/{name}": f"trainings.{name}" for name in pipelines}


@pytest.fixture
def settings(workplace: Workplace) -> HubSettings:
    return HubSettings(mlflow_uri=f"sqlite:///{workplace.database}", var=workplace.root / "var")


def test_what_fails_keeps_no_other_model_from_training(
    modules: dict[str, str], settings: HubSettings, workplace: Workplace, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    assert not train_models(modules, settings, said.append, fast=True)
    assert said == [
        "team8/needy:",
        "  failed: team8/needy needs catboost, which is not installed: pip install 'gapura[boosting]'",
        "team9/bare:",
        "  failed: nothing in data: put it there",
        "team9/full:",
        f"  failed: {settings.var}/data: No space left on device; make room there",
        "team9/wrong:",
        "  failed: ZeroDivisionError: no rows",
        "team9/good:",
        "  read data, fast: True",
        "  on 300 held-out rows: mae 0.2500, auc 0.7500",
        "  mae 0.2500, baseline 0.3000 (the mean): reached",
        "  auc 0.7500, baseline 0.8000 (a stump): NOT REACHED",
        "  registered team9_good version 1 as champion; `gapura publish` puts it live",
        "trained 1 of 5 models; failed: team8/needy, team9/bare, team9/full, team9/wrong",
    ]
    assert workplace.champion("team9_good").number == 1
    assert "train_wrongly" in capfd.readouterr().err


def test_several_that_are_all_trained_are_a_success(modules: dict[str, str], settings: HubSettings) -> None:
    said: list[str] = []
    assert train_models({"team9/good": modules["team9/good"]}, settings, said.append, fast=False)
    assert (said[1], said[-1]) == ("  read data, fast: False", "trained 1 of 1 models")


def test_all_are_all_and_a_team_is_what_it_owns() -> None:
    assert choose_models("all") == PIPELINES
    assert list(choose_models("team3")) == ["team3/credit_scoring", "team3/fraud_detection"]
    assert list(choose_models("team3/fraud_detection")) == ["team3/fraud_detection"]


@pytest.mark.parametrize("name", ["team9", "team", "team3/", "ALL", ""])
def test_an_unknown_name_lists_those_that_are_known(name: str) -> None:
    with pytest.raises(
        HubError, match=r"known: all, team1, .*team6, team1/product_recommendation, .*team6/"
    ) as refused:
        choose_models(name)
    assert str(refused.value).startswith(f"nothing trains {name!r}; ")


def test_a_defect_of_our_own_is_no_missing_library() -> None:
    with pytest.raises(ModuleNotFoundError, match="hub.training.forgotten"):
        load_pipeline("team9/forgotten", "hub.training.forgotten")


def test_an_interrupted_command_says_so_and_leaves_no_half_file(workplace: Workplace) -> None:
    var = workplace.root / "var"
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        environment = os.environ | {
            "GAPURA_VAR": str(var),
            "GAPURA_MLFLOW_URI": f"sqlite:///{workplace.database}",
            "PIP_INDEX_URL": address,
            "PIP_CONFIG_FILE": os.devnull,
            "PYTHONUNBUFFERED": "1",
        }
        command = [sys.executable, "-m", "gateway", "train", "team3", "--fast"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            told = [process.stdout.readline(), process.stdout.readline()]
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    assert told[0] == "team3/credit_scoring:\n"
    assert told[1].startswith("  downloading empulse")
    assert (process.returncode, errors) == (130, "stopped\n")
    assert list((var / "data").iterdir()) == []
