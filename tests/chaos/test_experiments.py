"""A challenger at fault loses its share within seconds, and nobody who asks the champion notices."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
from erpml.catalog.v1 import catalog_pb2
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from tests.chaos.faulty_arms import EXPERIMENT, MODEL, Graph, echo, erring, shifted, slow, turns_of, write_arms
from tests.e2e.serving import add_tenant, scratch_environment, serve

CALLERS, PAUSE_SECONDS = 8, 0.02
MOST_SECONDS, QUIET_SECONDS = 10.0, 3.0
DAWDLES_SECONDS = 0.06


@dataclass(slots=True)
class Said:
    """What callers were told.

    Attributes:
        challenged: When each call of the challenger was answered or failed.
        wrong: What was wrong with calls of the champion.
        answers: How many calls of the champion were answered.
    """

    challenged: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    answers: int = 0


def call_on(address: str, api_key: str, said: Said, ended: threading.Event, seed: int) -> None:
    """Makes calls of ever other units until it is told to end; each knows by its arm's scores whether it is right."""
    random = Random(seed)  # noqa: S311 - no secret
    with triton.InferenceServerClient(address) as client:
        while not ended.is_set():
            value = random.random()
            asked = triton.InferInput("x", [1, 1], "FP32")
            asked.set_data_from_numpy(np.array([[value]], np.float32))
            headers = {"x-api-key": api_key, "x-gapura-unit": f"unit-{random.randrange(100_000)}"}
            try:
                answer: Any = client.infer(MODEL, [asked], headers=headers, client_timeout=10)
            except InferenceServerException as error:
                at_challenger = "version 2" in str(error)
                said.challenged.append(monotonic()) if at_challenger else said.wrong.append(str(error))
                continue
            arm = answer.get_response().parameters["gapura_arm"].string_param
            if arm == "challenger":
                said.challenged.append(monotonic())
            elif abs(answer.as_numpy("y").item() - value) > 1e-6:
                said.wrong.append(f"{answer.as_numpy('y').item()} for {value}")
            else:
                said.answers += 1
            sleep(PAUSE_SECONDS)


@contextmanager
def callers(address: str, api_key: str) -> Iterator[Said]:
    """Calls all the while."""
    said, ended = Said(), threading.Event()
    threads = [threading.Thread(target=call_on, args=(address, api_key, said, ended, seed)) for seed in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield said
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextmanager
def served(folder: Path, challenger: Graph) -> Iterator[tuple[str, str]]:
    """Serves a model with a challenger; yields address and key."""
    write_arms(folder, challenger)
    places = {"CATALOG": "catalog.binpb", "REPOSITORY": "models", "TENANTS": "tenants.yaml", "VERDICTS": "verdicts"}
    places |= {"TELEMETRY": "telemetry", "USAGE": "usage", "VAR": "var"}
    environment = scratch_environment(os.environ, **{name: str(folder / place) for name, place in places.items()})
    key = add_tenant(environment, "team9", "team9_*")
    with serve(environment) as (_, address):
        yield address, key


def verdict_of(folder: Path) -> catalog_pb2.Verdict:
    """Returns the one verdict."""
    (path,) = (folder / "verdicts").glob("*.binpb")
    return catalog_pb2.Verdict.FromString(path.read_bytes())


def wait_for_quiet(said: Said) -> float:
    """Waits until the challenger was not asked for a while; returns for how long it was, in seconds."""
    began = monotonic()
    while monotonic() < began + MOST_SECONDS + QUIET_SECONDS:
        sleep(0.1)
        last = max(said.challenged, default=monotonic())
        if monotonic() > last + QUIET_SECONDS:
            return last - began
    raise AssertionError("the challenger is asked on and on")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(erring, "error_rate"), (lambda: slow(turns_of(DAWDLES_SECONDS)), "latency_ratio"), (shifted, "score_shift")],
    ids=["errors of 5%", "slower", "scores shifted by 0.2"],
)
def test_an_arm_at_fault_has_no_calls_after_ten_seconds_and_the_champions_callers_notice_nothing(
    fault: Callable[[], Graph], reason: str, tmp_path: Path
) -> None:
    with served(tmp_path, fault()) as (address, key), callers(address, key) as said:
        seconds = wait_for_quiet(said)
    assert seconds < MOST_SECONDS
    assert not said.wrong
    assert said.answers > 500
    verdict = verdict_of(tmp_path)
    assert (verdict.model, verdict.experiment, verdict.arm, verdict.version) == (MODEL, EXPERIMENT, "challenger", 2)
    assert verdict.reason.startswith(reason)


def test_an_arm_without_fault_keeps_its_share(tmp_path: Path) -> None:
    with served(tmp_path, echo()) as (address, key), callers(address, key) as said:
        sleep(2 * MOST_SECONDS)
        before = len(said.challenged)
        sleep(1)
        assert len(said.challenged) > before
    assert not said.wrong
    assert not [*(tmp_path / "verdicts").glob("*.binpb")]
