"""An experiment from MLflow to callers and back: weights and faults get through within seconds."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tritonclient import grpc as triton

from tests.e2e.serving import COMMAND, add_tenant, scratch_environment, serve
from tests.hub.workplace import Workplace, draw_table

NAME, EXPERIMENT = "team1_model", "bolder"
LIVE_SECONDS, FOUND_SECONDS, MOST_SECONDS = 2.0, 10.0, 60.0
UNITS = [f"customer-{number}" for number in range(60)]


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """Publishes a champion, and a challenger whose scores are higher."""
    workplace = Workplace(tmp_path)
    table = draw_table()
    for shift in (0.0, 3.0):
        estimator = LogisticRegression().fit(table, table["income"] > 0)
        estimator.intercept_ = estimator.intercept_ + shift
        workplace.register(NAME, estimator)
    workplace.point(NAME, "champion", 1)
    workplace.point(NAME, "challenger", 2)
    workplace.publish()
    return workplace


def environment_of(workplace: Workplace) -> dict[str, str]:
    """Returns what makes commands work there."""
    root = workplace.root
    places = {"VAR": root, "REPOSITORY": workplace.repository, "CATALOG": workplace.catalog_file}
    names = ("TENANTS", "USAGE", "TELEMETRY", "VERDICTS", "CONTRACTS", "FREEZE")
    places |= {name: root / name.lower() for name in names}
    told = {name: str(place) for name, place in places.items()}
    return scratch_environment(os.environ, MLFLOW_URI=f"sqlite:///{workplace.database}", **told)


@contextmanager
def watching(environment: dict[str, str]) -> Iterator[None]:
    """Runs `gapura publish --watch`."""
    process = subprocess.Popen([*COMMAND, "publish", "--watch"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "watching" in process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


def experiments(environment: dict[str, str], *arguments: str) -> str:
    """Runs `gapura experiments`."""
    command = [sys.executable, "-m", "gateway", "experiments", *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


class Caller:
    """Asks a gateway by tensors."""

    def __init__(self, address: str, key: str) -> None:
        self._client = triton.InferenceServerClient(address)
        self._key = key

    def ask(self, unit: str) -> int:
        """Returns the version that answers a unit."""
        asked = triton.InferInput("input", [1, 2], "FP64")
        asked.set_data_from_numpy(np.random.default_rng().normal(size=(1, 2)))
        answer: Any = self._client.infer(NAME, [asked], headers={"x-api-key": self._key, "x-gapura-unit": unit})
        return int(answer.get_response().model_version)

    def share(self) -> float:
        """Returns the challenger's share of some units."""
        return sum(self.ask(unit) == 2 for unit in UNITS) / len(UNITS)

    def close(self) -> None:
        """Ends its connection."""
        self._client.close()


def seconds_until(happened: Callable[[], bool], most: float) -> float:
    """Waits for something; returns how long it took."""
    began = monotonic()
    while not happened():
        assert monotonic() < began + most, "it does not happen"
        sleep(0.02)
    return monotonic() - began


def test_an_experiment_reaches_every_gateway_and_a_fault_reaches_mlflow(workplace: Workplace) -> None:
    environment, client = environment_of(workplace), workplace.client()
    key = add_tenant(environment, "team1", "team1_*")
    with watching(environment), serve(environment) as (_, one), serve(environment) as (_, other):
        callers = [Caller(address, key) for address in (one, other)]
        assert [caller.share() for caller in callers] == [0, 0]

        # Weights that somebody writes into MLflow's own pages; once at least, the machine has nothing else to do.
        waits = []
        for weight, version in ((100, 2), (0, 1)) * 2:
            client.set_registered_model_tag(NAME, "weight.challenger", str(weight))
            waits.append(seconds_until(lambda: {caller.ask("u") for caller in callers} == {version}, MOST_SECONDS))  # noqa: B023 - waited for here
        assert min(waits) < LIVE_SECONDS

        # An experiment of its own, which loses its arm for the scores that it gives.
        experiments(environment, "create", "team1/model", EXPERIMENT, "--arm", "challenger=50", "--reason", "try it")
        experiments(environment, "start", "team1/model", EXPERIMENT, "--reason", "ready")
        seconds_until(lambda: all(0.2 < caller.share() < 0.8 for caller in callers), MOST_SECONDS)
        ended = threading.Event()
        threads = [threading.Thread(target=call_on, args=(address, key, ended)) for address in (one, one, other, other)]
        for thread in threads:
            thread.start()
        try:
            took = seconds_until(lambda: all(caller.share() == 0 for caller in callers), MOST_SECONDS)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        assert took < FOUND_SECONDS
        tag = f"guardrail.{EXPERIMENT}.challenger"
        seconds_until(lambda: tag in client.get_registered_model(NAME).tags, FOUND_SECONDS)
        tags = client.get_registered_model(NAME).tags
        assert tags[f"weight.{EXPERIMENT}.challenger"] == "0"
        assert "score_shift" in json.loads(tags[tag])["reason"]
        assert "score_shift" in experiments(environment, "list", "team1/model", "--json")

        # It stays so until a person acts.
        experiments(environment, "ramp", "team1/model", EXPERIMENT, "--arm", "challenger=100", "--reason", "wanted")
        seconds_until(lambda: all(caller.share() == 1 for caller in callers), MOST_SECONDS)
        assert tag not in client.get_registered_model(NAME).tags
        for caller in callers:
            caller.close()


def call_on(address: str, key: str, ended: threading.Event) -> None:
    """Makes calls of ever other units until it is told to end."""
    caller = Caller(address, key)
    number = 0
    while not ended.is_set():
        caller.ask(f"{threading.get_ident()}-{number}")
        number += 1
        sleep(0.005)
    caller.close()
