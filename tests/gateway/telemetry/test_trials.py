"""Calls of experiments are counted by arm and outcome, with the scores that they gave."""

import asyncio
from dataclasses import replace
from pathlib import Path
from struct import pack

import pytest

from gateway.edge.status import CODES, code_of, number_of
from gateway.errors import (
    ConfigurationError,
    DeadlineExceeded,
    GatewayError,
    InvalidFields,
    InvalidRequest,
    ModelFailed,
    Overloaded,
    Unavailable,
)
from gateway.telemetry.families import FINE_SECONDS, SCORES, SUBSTITUTED, TRIALS
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.layout import Labels
from gateway.telemetry.sheet import Sheet, open_sheet
from gateway.telemetry.trials import Trials, is_failure
from gateway.telemetry.words import SERVER_ERRORS
from gateway.types import Arm, Assignment, ModelVersion, Signature, Tensors, TensorSpec

VERSION = ModelVersion("team_model", 3, Signature((), (TensorSpec("score", "FP32", ()),)), 32, "digest")
ARM = Arm("challenger", VERSION, "trial", Assignment.UNIT)
LABELS = ("team_model", "trial", "challenger", "3")


@pytest.fixture
def sheet(tmp_path: Path) -> Sheet:
    """A sheet of this process."""
    return open_sheet(tmp_path, "gateway")


def outputs(*scores: float) -> Tensors:
    return Tensors(len(scores), ((),), (pack(f"{len(scores)}f", *scores),))


def counted(sheet: Sheet, name: str) -> dict[Labels, tuple[float, ...]]:
    """Returns the numbers of each series of a family that has counted something."""
    return {each.labels: each.values for each in sheet.series() if each.family.name == name and any(each.values)}


def test_an_answer_is_counted_with_its_duration_and_its_scores(sheet: Sheet) -> None:
    trials = Trials(Instruments(sheet))
    trials.answered(ARM, 0.0101, outputs(0.25, 0.75))
    trials.answered(replace(ARM, assignment=Assignment.CALL), 0.0101, outputs(0.25))
    ((labels, (seconds, *buckets)),) = counted(sheet, TRIALS.name).items()
    assert labels == (*LABELS, "answered")
    assert seconds == pytest.approx(0.0202)
    assert sum(buckets) == 2
    assert buckets[next(at for at, bound in enumerate(FINE_SECONDS) if bound >= 0.0101)] == 2
    assert counted(sheet, SCORES.name)[LABELS][0] == pytest.approx(1.25)
    assert sum(counted(sheet, SCORES.name)[LABELS][1:]) == 3


def test_arms_and_experiments_are_counted_apart(sheet: Sheet) -> None:
    trials = Trials(Instruments(sheet))
    for arm in (ARM, replace(ARM, name="champion"), replace(ARM, experiment="other")):
        trials.answered(arm, 0.01, outputs(0.5))
    assert [labels[1:3] for labels in counted(sheet, SCORES.name)] == [
        ("trial", "challenger"),
        ("trial", "champion"),
        ("other", "challenger"),
    ]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ModelFailed("team_model", 3, "broke"), "failed"),
        (Unavailable("NODES_UNAVAILABLE", "away"), "failed"),
        (DeadlineExceeded("DEADLINE_EXCEEDED", "late"), "failed"),
        (ZeroDivisionError(), "failed"),
        (InvalidFields([("age", "a number")]), "refused"),
        (Overloaded("QUEUE_FULL", "full", retry_after_ms=1), "refused"),
        (asyncio.CancelledError(), "refused"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_a_call_without_an_answer_has_failed_or_was_refused(sheet: Sheet, error: BaseException, outcome: str) -> None:
    Trials(Instruments(sheet)).failed(ARM, 0.01, error)
    assert [*counted(sheet, TRIALS.name)] == [(*LABELS, outcome)]
    assert counted(sheet, SCORES.name) == {}


@pytest.mark.parametrize("kind", [*CODES, InvalidFields, ConfigurationError, GatewayError])
def test_servers_are_to_blame_for_what_is_told_by_a_code_of_servers(kind: type[GatewayError]) -> None:
    error = kind.__new__(kind)
    assert is_failure(error) == (number_of(code_of(error)) in SERVER_ERRORS)
    assert issubclass(kind, InvalidRequest) <= (not is_failure(error))


def test_a_call_that_the_champion_answered_in_place_of_an_arm_is_counted_as_that(sheet: Sheet) -> None:
    Trials(Instruments(sheet)).substituted(replace(ARM, name="champion", assignment=Assignment.SUBSTITUTED))
    assert counted(sheet, SUBSTITUTED.name) == {("team_model", "trial"): (1.0,)}
    assert counted(sheet, TRIALS.name) == {}
